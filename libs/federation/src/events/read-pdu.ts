import { canonicalJson } from '../canonical-json/canonical-json.js';
import { CanonicalJsonError } from '../canonical-json/canonical-json-error.js';
import { redactPdu } from '../redaction/redact-pdu.js';
import type { RoomVersionRules } from '../room-versions/room-version-rules.js';
import { decodeBase64, unpaddedBase64 } from '../signing/base64.js';
import { sha256Base64 } from '../signing/sha256.js';
import { ADMITTED } from './admitted-key.js';
import { readAdmitted } from './admitted.js';
import { eventIdOf } from './event-id-of.js';
import { exceedsBytes, exceedsCodePoints, MAX_AUTH_EVENTS, MAX_EVENT_BYTES, MAX_FIELD_BYTES, MAX_PREV_EVENTS, MAX_STANDING_EVENTS } from './event-limits.js';
import { isJsonObject } from './json-member.js';
import { fullText, hashedText, pduMembers, signedText, sizedText } from './pdu-members.js';
import type { JsonObject, JsonValue, Pdu, RoomEvent } from './pdu.js';
import { referencedIds, withPlainReferences } from './references.js';

/** The value is no event of this room version; it is dropped (server-server API, §Checks on receipt, 1). */
export class PduFormatError extends Error {
  override readonly name = 'PduFormatError';
}

/**
 * Reads a PDU from another server: shape and limits, event id, content hash. Lenient, because refusing what others
 * accept splits the room: identifiers are not checked beyond their sigils, unknown members stay, and what nothing
 * covers (`unsigned`, malformed signatures) is dropped instead of failing the event.
 *
 * When the content hash does not match, the result is the redacted event and `hashMatched` is false. Signatures and
 * auth rules are the caller's, in this order: signatures first.
 *
 * @param value What `parseJson` returned. It is kept by reference: leave it unchanged.
 * @throws PduFormatError
 */
export function readPdu(value: unknown, rules: RoomVersionRules): RoomEvent & { readonly hashMatched: boolean } {
  const pdu = readShape(value, rules);
  try {
    const members = pduMembers(pdu);
    const json = fullText(members);
    if (exceedsBytes(sizedText(members, rules), MAX_EVENT_BYTES)) throw new PduFormatError(`the event exceeds ${MAX_EVENT_BYTES} bytes`);
    const eventId = eventIdOf(pdu, signedText(members, pdu, rules), rules);
    const identity = { eventId, roomId: pdu.room_id ?? '!' + eventId.slice(1) };
    const given = decodeBase64(pdu.hashes.sha256);
    if (given && unpaddedBase64(given) === sha256Base64(hashedText(members, rules))) {
      return { ...identity, pdu: withPlainReferences(pdu), json, hashMatched: true };
    }
    const redacted = redactPdu(pdu, rules);
    return { ...identity, pdu: withPlainReferences(redacted), json: canonicalJson(redacted), hashMatched: false };
  } catch (error) {
    if (error instanceof CanonicalJsonError) throw new PduFormatError(error.message);
    throw error;
  }
}

function readShape(value: unknown, rules: RoomVersionRules): Pdu {
  if (!isJsonObject(value)) throw new PduFormatError('an event is an object');
  const { unsigned, ...pdu } = value;
  if (rules.portable) keepGoodAttestations(pdu);
  const exceeds = rules.countsCodePoints ? exceedsCodePoints : exceedsBytes;
  requireText(pdu, 'type', '', exceeds);
  requireText(pdu, 'sender', '@');
  if (pdu.state_key !== undefined) requireText(pdu, 'state_key', '', exceeds);
  const namesRoom = rules.roomIdIsCreateHash && pdu.type === 'm.room.create' && pdu.state_key === '';
  // A create event that has a room_id in spite of the version is well-formed; auth rule 1.2 rejects it.
  if (!namesRoom || pdu.room_id !== undefined) requireText(pdu, 'room_id', '!');
  if (!isJsonObject(pdu.content)) throw new PduFormatError('content is not an object');
  if (!isJsonObject(pdu.hashes) || typeof pdu.hashes.sha256 !== 'string') throw new PduFormatError('no hashes.sha256');
  if (!Number.isSafeInteger(pdu.origin_server_ts)) throw new PduFormatError('origin_server_ts is not an integer');
  if (!Number.isSafeInteger(pdu.depth) || (pdu.depth as number) < 0) throw new PduFormatError('depth is out of range');
  const isChosen = rules.eventId === 'chosen';
  // The domain keeps a chosen id from being another event's hash; PduVerifier asks for that server's signature.
  if (isChosen) requireText(pdu, 'event_id', '$');
  if (isChosen && !(pdu.event_id as string).includes(':')) throw new PduFormatError('event_id has no domain');
  requireEventIds(pdu.prev_events, 'prev_events', MAX_PREV_EVENTS, isChosen);
  const citesMany = rules.portable && (pdu.type === 'io.partyline.stands' || (pdu.type === 'm.room.member' && pdu.state_key === pdu.sender));
  requireEventIds(pdu.auth_events, 'auth_events', MAX_AUTH_EVENTS + (citesMany ? MAX_STANDING_EVENTS : 0), isChosen);
  if (rules.portable && pdu.home !== undefined) requireText(pdu, 'home');
  if (rules.portable && pdu.txn !== undefined) requireText(pdu, 'txn');
  return {
    ...pdu,
    signatures: readSignatures(pdu.signatures),
    ...(isJsonObject(unsigned) && { unsigned }),
  } as unknown as Pdu;
}

function requireText(pdu: JsonObject, key: string, sigil = '', exceeds = exceedsBytes): void {
  const value = pdu[key];
  if (typeof value !== 'string' || !value.startsWith(sigil)) throw new PduFormatError(`${key} is malformed`);
  if (exceeds(value, MAX_FIELD_BYTES)) throw new PduFormatError(`${key} is longer than ${MAX_FIELD_BYTES} bytes`);
  if (value.includes('\u0000')) throw new PduFormatError(`${key} holds a NUL`);
}

function requireEventIds(value: JsonValue | undefined, key: string, limit: number, paired: boolean): void {
  if (!Array.isArray(value)) throw new PduFormatError(`${key} is not a list`);
  if (value.length > limit) throw new PduFormatError(`${key} has more than ${limit} entries`);
  if (paired && !value.every(Array.isArray)) throw new PduFormatError(`${key} holds something that is no reference`);
  for (const id of paired ? referencedIds(value) : value) {
    if (typeof id !== 'string' || !id.startsWith('$') || exceedsBytes(id, MAX_FIELD_BYTES) || id.includes('\u0000')) {
      throw new PduFormatError(`${key} holds something that is no event id`);
    }
  }
}

/** Nothing covers them, so what is wrong with them is not the event's fault: it goes, and the event stays. */
function keepGoodAttestations(pdu: JsonObject): void {
  const admitted = readAdmitted(pdu);
  if (admitted.length > 0) pdu[ADMITTED] = admitted as unknown as JsonValue[];
  else delete pdu[ADMITTED];
}

/** The entries that are strings. Whether the necessary ones are among them is for the signature check. */
function readSignatures(value: JsonValue | undefined): Pdu['signatures'] {
  if (!isJsonObject(value)) throw new PduFormatError('signatures is not an object');
  const wellFormed = Object.entries(value).flatMap(([name, ofName]) => {
    if (!isJsonObject(ofName)) return [];
    const texts = Object.entries(ofName).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    return [[name, Object.fromEntries(texts)] as const];
  });
  return Object.fromEntries(wellFormed);
}
