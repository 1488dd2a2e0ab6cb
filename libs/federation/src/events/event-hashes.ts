import type { RoomVersionRules } from '../room-versions/room-version-rules.js';
import { sha256Base64, sha256Base64Url } from '../signing/sha256.js';
import { hashedText, pduMembers, signedText } from './pdu-members.js';
import type { Pdu } from './pdu.js';

/**
 * The content hash (server-server API, §Calculating the content hash): unpadded Base64 for `hashes.sha256`.
 *
 * @throws CanonicalJsonError
 */
export function contentHash(pdu: Pdu, rules: RoomVersionRules): string {
  return sha256Base64(hashedText(pduMembers(pdu), rules));
}

/**
 * The reference hash (§Calculating the reference hash), URL-safe unpadded Base64: the event id without its `$`.
 *
 * @throws CanonicalJsonError
 */
export function referenceHash(pdu: Pdu, rules: RoomVersionRules): string {
  return sha256Base64Url(signatureInput(pdu, rules));
}

/**
 * What the signatures of an event sign: canonical JSON of the redacted PDU without `signatures` and `unsigned`.
 *
 * @param pdu as it is on the wire (`wirePdu`)
 * @throws CanonicalJsonError
 */
export function signatureInput(pdu: Pdu, rules: RoomVersionRules): string {
  return signedText(pduMembers(pdu), pdu, rules);
}
