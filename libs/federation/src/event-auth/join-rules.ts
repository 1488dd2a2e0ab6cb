import { jsonMember } from '../events/index.js';
import { serverNameOf } from '../identifiers/index.js';
import { checkCosignedByHome } from './acting-home.js';
import { isInvitedAs } from './invited-person.js';
import { creatorOf, joinRuleOf, membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

/** `m.room.member`, membership `join` (4.3; 5.3 in version 12). Returns if the join is allowed. */
export function checkJoin(input: RuleInput, target: string): void {
  const { event, state, create, rules, numbers } = input;
  const { pdu } = event;
  const n = `${numbers.member}.3`;

  // The creator's join, right after the create event.
  if (pdu.prev_events.length === 1 && pdu.prev_events[0] === create.eventId && target === creatorOf(create, rules)) {
    return;
  }
  // Nobody joins for somebody else.
  if (pdu.sender !== target) reject(`${n}.2`, 'only its subject can send a join');
  const membership = membershipOf(state, target);
  // A ban holds until it is lifted.
  if (membership === 'ban') reject(`${n}.3`, 'the sender is banned');

  const joinRule = joinRuleOf(state);
  const invited = membership === 'join' || (membership === 'invite' && isInvitedAs(state.get('m.room.member', target), event));
  // By invitation; somebody already joined may change their profile.
  if ((joinRule === 'invite' || (joinRule === 'knock' && rules.knocking)) && invited) return;
  // By invitation, or because a member who may invite vouches for the conditions.
  const restricted = (joinRule === 'restricted' && rules.restrictedJoins)
    || (joinRule === 'knock_restricted' && rules.knockRestricted);
  if (restricted) {
    if (!invited) checkAuthoriser(input, `${n}.5.2`);
    return;
  }
  // Open to all.
  if (joinRule === 'public') return;
  reject(`${n}.7`, 'the join rule does not allow it');
}

function checkAuthoriser({ event, state, levels }: RuleInput, rule: string): void {
  const authoriser = jsonMember(event.pdu.content, 'join_authorised_via_users_server');
  if (typeof authoriser !== 'string' || membershipOf(state, authoriser) !== 'join') {
    reject(rule, 'no joined member authorises the join');
  }
  if (levels.user(authoriser) < levels.invite) reject(rule, 'who authorises the join may not invite');
}

/**
 * A membership event that names an authorising user must carry the signature of that user's server (4.2; 5.2).
 *
 * Outside portable rooms its keys are the server's, which are fetched: whoever received the event has verified every
 * signature that the version asks for before it comes here, so that it is enough to see that this one is there.
 */
export function checkAuthoriserSignature(input: RuleInput): void {
  const { event, rules, numbers } = input;
  const authoriser = jsonMember(event.pdu.content, 'join_authorised_via_users_server');
  if (!rules.restrictedJoins || authoriser === undefined) return;
  const rule = `${numbers.member}.2.1`;
  if (typeof authoriser !== 'string') reject(rule, 'join_authorised_via_users_server is not a user id');
  if (rules.portable) return checkCosignedByHome(input, authoriser);
  const signatures = event.pdu.signatures;
  const server = serverNameOf(authoriser);
  if (!Object.hasOwn(signatures, server) || Object.keys(signatures[server] ?? {}).length === 0) {
    reject(rule, 'not signed by the server of the authorising user');
  }
}
