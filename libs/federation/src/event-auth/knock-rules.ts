import { joinRuleOf, membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

/** `m.room.member`, membership `knock` (4.7; 5.7 in version 12). */
export function checkKnock({ event, state, rules, numbers }: RuleInput, target: string): void {
  const n = `${numbers.member}.7`;
  // Only some join rules have a door to knock at.
  const joinRule = joinRuleOf(state);
  if (joinRule !== 'knock' && !(joinRule === 'knock_restricted' && rules.knockRestricted)) {
    reject(`${n}.1`, 'the join rule has no knocking');
  }
  // Nobody knocks for somebody else.
  if (event.pdu.sender !== target) reject(`${n}.2`, 'only its subject can send a knock');
  // Those inside, invited or banned have no use for it.
  const membership = membershipOf(state, target);
  if (membership === 'ban' || membership === 'invite' || membership === 'join') {
    reject(`${n}.4`, 'the sender is joined, invited or banned');
  }
}
