import type { RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { checkFederatedHome, checkHome, checkPortableCreate } from './acting-home.js';
import type { AuthContext, Judged, StateReader } from './auth-context.js';
import { checkAliases } from './alias-rules.js';
import { checkCreate } from './create-rules.js';
import { checkFederatedServer } from './federate-rules.js';
import { KNOWN_RECORD_TYPE } from './known-record.js';
import { checkMember } from './member-rules.js';
import { checkPowerLevels } from './power-level-rules.js';
import { powerLevelsOf } from './power-levels-of.js';
import { checkRedaction } from './redaction-rules.js';
import { membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';
import { ruleNumbers } from './rule-numbers.js';
import { isStandsEvent } from './standing-events.js';

/**
 * The authorization rules of a room version, against one state. The rules about the list of auth events are
 * `checkAuthEvents`; signatures by servers' keys are verified before an event comes here.
 *
 * @param state the state to check against, with the create event in every room version
 * @param judged what the state is to the event; matters in portable rooms
 * @throws AuthError with the number of the rule that refuses the event
 */
export function checkAuth(
  event: RoomEvent, state: StateReader, rules: RoomVersionRules, ctx: AuthContext, judged: Judged = 'before',
): void {
  const { pdu } = event;
  if (pdu.type === 'm.room.create') {
    checkCreate(event, rules);
    if (rules.portable) checkPortableCreate(event, ctx);
    return;
  }
  const numbers = ruleNumbers(rules);
  const create = createOf(event, state, rules, numbers.roomId);
  const input: RuleInput = { event, state, create, levels: powerLevelsOf(state, rules), rules, ctx, numbers, judged };
  if (rules.portable) {
    if (pdu.type === KNOWN_RECORD_TYPE) reject('p3', 'what a state knows of records is no event');
    checkHome(input);
    checkFederatedHome(input);
  } else {
    checkFederatedServer(input);
  }
  if (rules.aliasesRule && pdu.type === 'm.room.aliases') return checkAliases(input);
  if (pdu.type === 'm.room.member') return checkMember(input);
  // Only members speak.
  if (membershipOf(state, pdu.sender) !== 'join') reject(numbers.senderJoined, 'the sender is not joined');
  const level = input.levels.user(pdu.sender);
  // Inviting to an address takes what inviting takes, and nothing else.
  if (pdu.type === 'm.room.third_party_invite') {
    if (level < input.levels.invite) reject(`${numbers.thirdPartyInvite}.1`, 'the sender may not invite');
    return;
  }
  // What a member's events rest on is the member's to say.
  if (rules.portable && isStandsEvent(pdu)) return;
  // Every type takes a level.
  if (level < input.levels.event(pdu.type, pdu.state_key !== undefined)) {
    reject(numbers.requiredLevel, `the sender's level is too low for ${pdu.type}`);
  }
  // State under a user's id belongs to that user.
  if (pdu.state_key?.startsWith('@') && pdu.state_key !== pdu.sender) {
    reject(numbers.ownStateKey, 'the state_key is of another user');
  }
  if (pdu.type === 'm.room.power_levels') checkPowerLevels(input);
  if (rules.redactionRule && pdu.type === 'm.room.redaction') checkRedaction(input);
}

/** The room's create event; it must be there, and be this room's. */
function createOf(event: RoomEvent, state: StateReader, rules: RoomVersionRules, rule: string): RoomEvent {
  const create = state.get('m.room.create', '');
  if (!create) reject(rule, 'the room has no create event');
  // Version 12: the room id is the create event's id with another sigil.
  if (rules.roomIdIsCreateHash && create.eventId.slice(1) !== event.roomId.slice(1)) {
    reject(rule, 'the room id is not that of the create event');
  }
  return create;
}
