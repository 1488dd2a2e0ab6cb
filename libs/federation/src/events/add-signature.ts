import type { RoomVersionRules } from '../room-versions/room-version-rules.js';
import { withSignature } from '../signing/sign-json.js';
import type { SigningKey } from '../signing/signing-key.js';
import { EventTooLargeError, exceedsBytes, MAX_OWN_EVENT_BYTES } from './event-limits.js';
import { fullText, pduMembers, signedText, sizedText, wirePdu, withMember } from './pdu-members.js';
import type { RoomEvent } from './pdu.js';

/**
 * The event with one signature more: an invited server's, or an authorising server's of a restricted join. Its id stays, because the
 * reference hash does not cover signatures.
 *
 * @throws EventTooLargeError when the signature does not fit into 65,522 bytes.
 */
export function addSignature(event: RoomEvent, rules: RoomVersionRules, name: string, key: SigningKey): RoomEvent {
  const wire = wirePdu(event, rules);
  return withGivenSignature(event, rules, { name, keyId: key.keyId, signature: key.sign(signedText(pduMembers(wire), wire, rules)) });
}

/** A signature that somebody has made, unpadded Base64. */
export interface GivenSignature {
  readonly name: string;
  readonly keyId: string;
  readonly signature: string;
}

/**
 * The same with a signature that another server has made: a policy server's. The caller has verified it.
 *
 * @throws EventTooLargeError as `addSignature`
 */
export function withGivenSignature(event: RoomEvent, rules: RoomVersionRules, { name, keyId, signature }: GivenSignature): RoomEvent {
  const members = pduMembers(wirePdu(event, rules));
  const signatures = withSignature(event.pdu.signatures, name, keyId, signature);
  const all = withMember(members, 'signatures', signatures);
  const json = fullText(all);
  if (exceedsBytes(sizedText(all, rules), MAX_OWN_EVENT_BYTES)) throw new EventTooLargeError(`the event exceeds ${MAX_OWN_EVENT_BYTES} bytes`);
  return { eventId: event.eventId, roomId: event.roomId, pdu: { ...event.pdu, signatures }, json };
}
