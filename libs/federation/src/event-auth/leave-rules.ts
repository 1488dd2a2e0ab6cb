import { jsonMember } from '../events/index.js';
import { isInvitedAs } from './invited-person.js';
import { membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

/** `m.room.member`, membership `leave`: leaving, declining, kicking, unbanning (4.5; 5.5 in version 12). */
export function checkLeave({ event, state, levels, rules, numbers }: RuleInput, target: string): void {
  const { sender } = event.pdu;
  const n = `${numbers.member}.5`;
  const targetMembership = membershipOf(state, target);
  // One's own way out: from an invite, a join or a knock, and not from a ban.
  if (sender === target) {
    // Portable rooms: who has left leaves again to bring a higher record, which rule 4 has looked at.
    const carries = rules.portable && targetMembership === 'leave' && jsonMember(event.pdu.content, 'io.partyline.carries') === true;
    const inside = (targetMembership === 'invite' && isInvitedAs(state.get('m.room.member', target), event)) || targetMembership === 'join'
      || (targetMembership === 'knock' && rules.knocking) || carries;
    if (!inside) reject(`${n}.1`, 'the sender is not in the room');
    return;
  }
  // Members kick.
  if (membershipOf(state, sender) !== 'join') reject(`${n}.2`, 'the sender is not joined');
  const level = levels.user(sender);
  // Lifting a ban takes what making one takes.
  if (targetMembership === 'ban' && level < levels.ban) reject(`${n}.3`, 'the sender may not lift a ban');
  // Kicking takes a level, and more of it than the target has.
  if (level < levels.kick || levels.user(target) >= level) reject(`${n}.5`, 'the sender may not kick the target');
}
