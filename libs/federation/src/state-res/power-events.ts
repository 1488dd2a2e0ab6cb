import type { RoomEvent } from '../events/index.js';
import { recordOf } from '../home-record/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { authEventOf, type EventLookup } from './event-graph.js';

/** State events that might take away someone's ability to do something ("State resolution", power events). */
export function isPowerEvent(event: RoomEvent, rules: RoomVersionRules, lookup: EventLookup): boolean {
  const { type, state_key: stateKey, sender, content } = event.pdu;
  if (type === 'm.room.power_levels' || type === 'm.room.join_rules') return stateKey === '';
  if (type !== 'm.room.member' || stateKey === undefined) return false;
  const { membership } = content;
  if ((membership === 'leave' || membership === 'ban') && sender !== stateKey) return true;
  return raisesRecord(event, rules, lookup);
}

/**
 * Portable rooms, rule 4: a member's event that raises the member's own home record. It takes away what a home that is
 * no longer in the record could do.
 *
 * Only joins count. A home that is about to be dropped may publish one last event on an old fork; a leave that raised
 * an outdated record would come before the revocation, and the revocation would find its sender outside.
 */
export function raisesRecord(event: RoomEvent, rules: RoomVersionRules, lookup: EventLookup): boolean {
  const { type, state_key: stateKey, sender, content } = event.pdu;
  if (!rules.portable || type !== 'm.room.member' || stateKey !== sender || content.membership !== 'join') return false;
  const record = recordOf(event);
  const previous = recordOf(authEventOf(event, 'm.room.member', sender, lookup));
  if (!record || !previous) return false;
  return record.epoch !== previous.epoch ? record.epoch > previous.epoch : record.seq > previous.seq;
}
