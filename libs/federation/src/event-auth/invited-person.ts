import { jsonMember, type RoomEvent } from '../events/index.js';
import { genesisHash } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import { isReleased, membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

// Rule 6 of portable rooms (protocol §3): an invitation names the person, not the string.

/** The genesis that an invitation names; undefined where it names none. */
export function genesisNamedBy(invitation: RoomEvent | undefined): string | undefined {
  const named = jsonMember(invitation?.pdu.content, 'genesis_sha256');
  return typeof named === 'string' ? named : undefined;
}

/** Whether an invitation means the person whose record `own`, the invited one's event, carries. One without a name means whoever comes. */
export function isInvitedAs(invitation: RoomEvent | undefined, own: RoomEvent): boolean {
  const named = genesisNamedBy(invitation);
  if (named === undefined) return true;
  const record = recordOf(own);
  return record !== undefined && genesisHash(record.genesis) === named;
}

/**
 * An invitation is of the person whom the room knows, unless the name was released; and only who may ban replaces the
 * genesis that a former invitation names, else an invitation could be turned to another bearer of the name.
 */
export function checkInvitedGenesis({ event, state, levels }: RuleInput, target: string): void {
  const named = genesisNamedBy(event);
  const member = state.get('m.room.member', target);
  const known = isReleased(member) ? undefined : recordOf(member);
  if (named !== undefined && known && genesisHash(known.genesis) !== named) reject('p6', 'the invitation is of another genesis than the room knows');
  const before = membershipOf(state, target) === 'invite' ? genesisNamedBy(member) : undefined;
  if (before === undefined || before === named) return;
  if (levels.user(event.pdu.sender) < levels.ban) reject('p6', 'the sender may not turn the invitation to another genesis');
}
