import { jsonMember, stateKeyOf, type Pdu, type RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import type { StateReader } from './auth-context.js';
import { KNOWN_RECORD_TYPE } from './known-record.js';
import { thirdPartyTokenOf } from './room-facts.js';

/**
 * The auth events selection algorithm (server-server API, "Auth events selection"): which state an event may cite, as
 * far as the room has it. The create event itself cites nothing.
 *
 * @param state the state that the event is made behind: portable rooms leave out what its sender had set there at the same home. All that
 *   it may cite without
 * @returns `[type, state_key]` pairs, each once
 */
export function authStateKeys(
  draft: Pick<Pdu, 'type' | 'sender' | 'state_key' | 'content' | 'home'>, rules: RoomVersionRules, state?: StateReader,
): Array<[type: string, stateKey: string]> {
  if (draft.type === 'm.room.create') return [];
  const keys = new Map<string, [string, string]>();
  const add = (type: string, stateKey: string): void => void keys.set(stateKeyOf(type, stateKey), [type, stateKey]);

  // Version 12: the room id already is the create event.
  if (!rules.roomIdIsCreateHash) add('m.room.create', '');
  add('m.room.power_levels', '');
  add('m.room.member', draft.sender);
  // Portable rooms (protocol §3, "What events cite"): state cites what it replaces.
  if (rules.portable && draft.state_key !== undefined && !isOwnDoing(draft, state?.get(draft.type, draft.state_key))) add(draft.type, draft.state_key);
  if (draft.type === 'm.room.member' && draft.state_key !== undefined) {
    add('m.room.member', draft.state_key);
    // What is known of the member's record, after what is shown: so whoever copies a record cites him who brought it.
    if (rules.portable) add(KNOWN_RECORD_TYPE, draft.state_key);
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

/** Whoever sets something again and again lengthens no auth chain; if one of these falls, the one before it would as well. */
function isOwnDoing({ sender, home }: Pick<Pdu, 'sender' | 'home'>, replaced: RoomEvent | undefined): boolean {
  return replaced !== undefined && replaced.pdu.sender === sender && replaced.pdu.home === home;
}
