import { serverNameOf } from '../identifiers/index.js';
import { reject, type RuleInput } from './rule-input.js';

/** `m.room.redaction` in room versions 1 and 2 (rule 11): with the level, or of an event of the same server. */
export function checkRedaction({ event, levels }: RuleInput): void {
  const { sender, redacts } = event.pdu;
  if (levels.user(sender) >= levels.redact) return;
  if (typeof redacts === 'string' && serverNameOf(redacts) === serverNameOf(event.eventId)) return;
  reject('11.3', 'the sender may not redact the event');
}
