import { canonicalJson, CanonicalJsonError } from '../canonical-json/index.js';
import type { RoomVersionRules } from '../room-versions/room-version-rules.js';
import { isServerName } from '../identifiers/server-name.js';
import { ADMITTED } from './admitted-key.js';
import { isJsonObject } from './json-member.js';
import { fullText, pduMembers, withMember } from './pdu-members.js';
import type { JsonObject, JsonValue, Pdu, RoomEvent } from './pdu.js';

/** More say nothing more. */
const MAX_ATTESTATIONS = 4;
/** Of one as canonical JSON: a domain's key answer with a few old keys, and two signatures. */
const MAX_BYTES = 4_096;

/**
 * What a server says that let a named account into a portable room and saw it proven (protocol §2): it verified the
 * endorsement with these keys of the domain. It stands in the PDU's `io.partyline.admitted`, a list, outside of what is
 * hashed and signed, so that it can be added to an event that is made already; it stays in every copy, redacted ones too.
 */
export interface Admitted {
  /** Who says it. */
  server_name: string;
  /** When, milliseconds since the Unix epoch. */
  ts: number;
  /** The domain's answer to `GET /_matrix/key/v2/server` as it signed it. */
  keys: JsonObject;
  /** By `server_name`'s signing keys, over `admittedInput`. */
  signatures: Record<string, Record<string, string>>;
}

/**
 * What the attesting server signs: what it attests, of which event, with which keys of the domain.
 *
 * @param genesisSha256 `genesisHash` of the record that the event carries
 */
export function admittedInput(
  event: Pick<RoomEvent, 'eventId' | 'roomId'>, genesisSha256: string, admitted: Omit<Admitted, 'signatures'>,
): string {
  const { server_name, ts, keys } = admitted;
  return canonicalJson({ event_id: event.eventId, room_id: event.roomId, genesis_sha256: genesisSha256, server_name, ts, keys });
}

/** The well-formed attestations of a member event, at most four; none of anything else. What they prove is `verifyAdmitted`'s. */
export function readAdmitted(pdu: Pdu | JsonObject): Admitted[] {
  const value = pdu[ADMITTED];
  if (pdu.type !== 'm.room.member' || pdu.state_key !== pdu.sender || !Array.isArray(value)) return [];
  return (value as JsonValue[]).slice(0, MAX_ATTESTATIONS).filter(isAdmitted) as unknown as Admitted[];
}

/** The event with one attestation more; one by the same server gives way to it. Id, hash and signatures stay. */
export function withAdmitted(event: RoomEvent, admitted: Admitted, rules: RoomVersionRules): RoomEvent {
  if (!rules.portable) throw new TypeError('only events of portable rooms carry attestations');
  const others = readAdmitted(event.pdu).filter((one) => one.server_name !== admitted.server_name);
  const list = [...others.slice(0, MAX_ATTESTATIONS - 1), admitted] as unknown as JsonValue[];
  const pdu = { ...event.pdu, [ADMITTED]: list };
  if (readAdmitted(pdu).length !== list.length) throw new TypeError('the attestation is malformed or too large');
  return { ...event, pdu, json: fullText(withMember(pduMembers(event.pdu), ADMITTED, list)) };
}

function isAdmitted(value: JsonValue): boolean {
  if (!isJsonObject(value) || !isJsonObject(value.keys) || !isJsonObject(value.signatures)) return false;
  if (typeof value.server_name !== 'string' || !isServerName(value.server_name)) return false;
  if (!Number.isSafeInteger(value.ts) || (value.ts as number) < 0) return false;
  const isSigned = Object.values(value.signatures).every((one) => isJsonObject(one) && Object.values(one).every((text) => typeof text === 'string'));
  return isSigned && isSmall(value);
}

function isSmall(value: JsonObject): boolean {
  try {
    return Buffer.byteLength(canonicalJson(value)) <= MAX_BYTES;
  } catch (error) {
    if (error instanceof CanonicalJsonError) return false;
    throw error;
  }
}
