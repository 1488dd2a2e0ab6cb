import { parseStoredJson } from '#json';
import { canonicalJson, sortKeys } from '../canonical-json/canonical-json.js';
import { redactContent } from '../redaction/redact-pdu.js';
import type { RoomVersionRules } from '../room-versions/room-version-rules.js';
import { MAX_MEMBER_DEPTH } from './event-limits.js';
import { ADMITTED } from './admitted-key.js';
import type { JsonValue, Pdu, RoomEvent } from './pdu.js';

/**
 * A PDU's top-level members as canonical text, sorted by key. The content hash, the signature, the event id and the
 * stored text are four selections of the same members: encoding each member once costs a third of encoding four times.
 */
export type PduMembers = readonly PduMember[];
export interface PduMember { readonly key: string; /** `"key":value`, canonical. */ readonly text: string }

/** @throws CanonicalJsonError */
export function pduMembers(pdu: Pdu): PduMember[] {
  const members: PduMember[] = [];
  for (const key of sortKeys(Object.keys(pdu))) {
    const value = pdu[key];
    // `unsigned` is covered by nothing, not even by the rule against floats.
    if (value !== undefined && key !== 'unsigned') members.push(member(key, value));
  }
  return members;
}

/**
 * The event in the form that is hashed, signed and sent. In versions 1 and 2 its references are pairs with hashes, which
 * `RoomEvent.pdu` leaves out and the text has.
 */
export function wirePdu(event: Pick<RoomEvent, 'pdu' | 'json'>, rules: RoomVersionRules): Pdu {
  return rules.eventId === 'chosen' ? (parseStoredJson(event.json) as Pdu) : event.pdu;
}

/** The stored and transferred text: everything but `unsigned`. */
export function fullText(members: PduMembers): string {
  return objectText(members, () => true);
}

/**
 * What the content hash covers: everything but `hashes`, `signatures` and `unsigned`; in portable rooms what other servers
 * attest is not of the event either.
 */
export function hashedText(members: PduMembers, rules: RoomVersionRules): string {
  return objectText(members, (key) => key !== 'hashes' && key !== 'signatures' && !(rules.portable && key === ADMITTED));
}

/** What the size limit is about: else a server could make an event too large for others by attesting it. */
export function sizedText(members: PduMembers, rules: RoomVersionRules): string {
  return rules.portable ? objectText(members, (key) => key !== ADMITTED) : fullText(members);
}

/** What signatures and the event id cover: the redacted event without `signatures` and `unsigned`. */
export function signedText(members: PduMembers, pdu: Pdu, rules: RoomVersionRules): string {
  const redacted = redactContent(pdu.type, pdu.content, rules);
  const { topLevel } = rules.redaction;
  const kept = redacted === pdu.content ? members : withMember(members, 'content', redacted);
  return objectText(kept, (key) => key !== 'signatures' && topLevel.has(key));
}

/** The members with one added or replaced, still sorted. `key` is ASCII. @throws CanonicalJsonError */
export function withMember(members: PduMembers, key: string, value: JsonValue): PduMember[] {
  const at = members.findIndex((existing) => existing.key >= key);
  if (at === -1) return [...members, member(key, value)];
  return members.toSpliced(at, members[at]!.key === key ? 1 : 0, member(key, value));
}

function member(key: string, value: JsonValue): PduMember {
  return { key, text: canonicalJson(key) + ':' + canonicalJson(value, MAX_MEMBER_DEPTH) };
}

function objectText(members: PduMembers, include: (key: string) => boolean): string {
  let all = '';
  for (const { key, text } of members) if (include(key)) all += (all === '' ? '{' : ',') + text;
  return all === '' ? '{}' : all + '}';
}
