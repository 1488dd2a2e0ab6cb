import type { RoomVersionRules } from '../room-versions/room-version-rules.js';
import { withSignature } from '../signing/sign-json.js';
import type { SigningKey } from '../signing/signing-key.js';
import { EventTooLargeError, exceedsBytes, MAX_OWN_EVENT_BYTES } from './event-limits.js';
import { fullText, pduMembers, signedText, sizedText, wirePdu, withMember } from './pdu-members.js';
import type { RoomEvent } from './pdu.js';

/**
 * The event with one signature more: an invited server's, an authorising server's of a restricted join, a policy
 * server's. Its id stays, because the reference hash does not cover signatures.
 *
 * @throws EventTooLargeError when the signature does not fit into 65,522 bytes.
 */
export function addSignature(event: RoomEvent, rules: RoomVersionRules, name: string, key: SigningKey): RoomEvent {
  const wire = wirePdu(event, rules);
  const members = pduMembers(wire);
  const signatures = withSignature(event.pdu.signatures, name, key.keyId, key.sign(signedText(members, wire, rules)));
  const all = withMember(members, 'signatures', signatures);
  const json = fullText(all);
  if (exceedsBytes(sizedText(all, rules), MAX_OWN_EVENT_BYTES)) throw new EventTooLargeError(`the event exceeds ${MAX_OWN_EVENT_BYTES} bytes`);
  return { eventId: event.eventId, roomId: event.roomId, pdu: { ...event.pdu, signatures }, json };
}
