import { jsonMember } from '../events/index.js';
import { checkInvitedGenesis } from './invited-person.js';
import { checkThirdPartyInvite } from './third-party-invite-rules.js';
import { membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

/** `m.room.member`, membership `invite` (4.4; 5.4 in version 12). */
export function checkInvite(input: RuleInput, target: string): void {
  const { event, state, levels, numbers } = input;
  const n = `${numbers.member}.4`;
  if (input.rules.portable) checkInvitedGenesis(input, target);
  // An invitation to an address that somebody proved to have: other rules.
  if (jsonMember(event.pdu.content, 'third_party_invite') !== undefined) return checkThirdPartyInvite(input, target);
  // Members invite.
  if (membershipOf(state, event.pdu.sender) !== 'join') reject(`${n}.2`, 'the sender is not joined');
  // There is nothing to invite to for a member, and nothing for somebody banned.
  const membership = membershipOf(state, target);
  if (membership === 'join' || membership === 'ban') reject(`${n}.3`, 'the target is joined or banned');
  // Inviting takes a level.
  if (levels.user(event.pdu.sender) < levels.invite) reject(`${n}.5`, 'the sender may not invite');
}
