import type { RoomEvent } from '../events/index.js';
import { serverNameOf } from '../identifiers/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import type { StateReader } from './auth-context.js';
import { powerLevelsOf } from './power-levels-of.js';

/**
 * Whether a redaction that the auth rules allow is carried out ("Handling redactions", room version 3 and later): the
 * sender has the redact level, or it is their own server's event. The event that made the room never is redacted, as with other
 * servers: without the version in it nobody could read the room.
 *
 * In portable rooms the domain of an MXID is only a name, which anybody can put into a self-certifying one; so there
 * only the same sender counts as one's own.
 *
 * @param state the state at the redaction
 */
export function mayRedact(
  redaction: RoomEvent, target: RoomEvent, state: StateReader, rules: RoomVersionRules,
): boolean {
  if (redaction.roomId !== target.roomId || target.pdu.type === 'm.room.create') return false;
  const { sender } = redaction.pdu;
  const isOwn = rules.portable
    ? sender === target.pdu.sender
    : serverNameOf(sender) === serverNameOf(target.pdu.sender);
  if (isOwn) return true;
  const levels = powerLevelsOf(state, rules);
  return levels.user(sender) >= levels.redact;
}
