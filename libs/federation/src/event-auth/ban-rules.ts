import { membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

/** `m.room.member`, membership `ban` (4.6; 5.6 in version 12). */
export function checkBan({ event, state, levels, numbers }: RuleInput, target: string): void {
  const { sender } = event.pdu;
  const n = `${numbers.member}.6`;
  // Members ban.
  if (membershipOf(state, sender) !== 'join') reject(`${n}.1`, 'the sender is not joined');
  // Banning takes a level, and more of it than the target has.
  const level = levels.user(sender);
  if (level < levels.ban || levels.user(target) >= level) reject(`${n}.3`, 'the sender may not ban the target');
}
