import { jsonMember } from '../events/index.js';
import { isUserId } from '../identifiers/index.js';
import { checkBan } from './ban-rules.js';
import { checkInvite } from './invite-rules.js';
import { checkAuthoriserSignature, checkJoin } from './join-rules.js';
import { checkKnock } from './knock-rules.js';
import { checkLeave } from './leave-rules.js';
import { checkRecord, onlyCarries } from './record-rules.js';
import { reject, type RuleInput } from './rule-input.js';

/** `m.room.member` (rule 4; 5 in version 12). Each membership has its own rules and decides finally. */
export function checkMember(input: RuleInput): void {
  const { event, rules, numbers } = input;
  const n = numbers.member;
  const target = event.pdu.state_key;
  const membership = jsonMember(event.pdu.content, 'membership');
  // It says whose membership it is, and which.
  if (target === undefined || membership === undefined) reject(`${n}.1`, 'no state_key or no membership');
  // Whose it is not, nobody can say.
  if (!isUserId(target, { historical: true })) reject(`${n}.1`, 'the state_key is no user id');
  if (rules.portable) checkRecord(input, target);
  if (rules.portable && input.judged === 'beside' && onlyCarries(event)) return;
  checkAuthoriserSignature(input);
  switch (membership) {
    case 'join': return checkJoin(input, target);
    case 'invite': return checkInvite(input, target);
    case 'leave': return checkLeave(input, target);
    case 'ban': return checkBan(input, target);
    case 'knock': if (rules.knocking) return checkKnock(input, target);
  }
  // Nothing else exists.
  reject(`${n}.${rules.knocking ? 8 : 7}`, 'unknown membership');
}
