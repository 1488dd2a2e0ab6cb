import { jsonMember, stateKeyOf, type Pdu } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { thirdPartyTokenOf } from './room-facts.js';

/**
 * The auth events selection algorithm (server-server API, "Auth events selection"): which state an event may cite, as
 * far as the room has it. The create event itself cites nothing.
 *
 * @returns `[type, state_key]` pairs, each once
 */
export function authStateKeys(
  draft: Pick<Pdu, 'type' | 'sender' | 'state_key' | 'content'>, rules: RoomVersionRules,
): Array<[type: string, stateKey: string]> {
  if (draft.type === 'm.room.create') return [];
  const keys = new Map<string, [string, string]>();
  const add = (type: string, stateKey: string): void => void keys.set(stateKeyOf(type, stateKey), [type, stateKey]);

  // Version 12: the room id already is the create event.
  if (!rules.roomIdIsCreateHash) add('m.room.create', '');
  add('m.room.power_levels', '');
  add('m.room.member', draft.sender);
  if (draft.type === 'm.room.member' && draft.state_key !== undefined) {
    add('m.room.member', draft.state_key);
    const membership = jsonMember(draft.content, 'membership');
    if (membership === 'join' || membership === 'invite' || membership === 'knock') add('m.room.join_rules', '');
    const token = thirdPartyTokenOf(draft);
    if (membership === 'invite' && token !== undefined) add('m.room.third_party_invite', token);
    const authoriser = jsonMember(draft.content, 'join_authorised_via_users_server');
    if (membership === 'join' && rules.restrictedJoins && typeof authoriser === 'string') {
      add('m.room.member', authoriser);
    }
  }
  return [...keys.values()];
}
