import { isJsonObject, jsonMember } from '../events/json-member.js';
import { ADMITTED } from '../events/admitted-key.js';
import type { JsonObject, JsonValue, Pdu } from '../events/pdu.js';
import type { RoomVersionRules } from '../room-versions/room-version-rules.js';

/**
 * The redaction algorithm of a room version: a copy with only the properties that the version protects. What is kept
 * is shared with the original, so treat both as immutable.
 *
 * It says nothing about who may redact (`mayRedact`), and it drops `unsigned`.
 */
export function redactPdu(pdu: Pdu, rules: RoomVersionRules): Pdu {
  const kept: Record<string, JsonValue | undefined> = {};
  for (const key of Object.keys(pdu)) if (rules.redaction.topLevel.has(key)) kept[key] = pdu[key];
  // Outside of what is signed, so not among the rules' properties, and as little the sender's as the signatures are.
  if (rules.portable && pdu[ADMITTED] !== undefined) kept[ADMITTED] = pdu[ADMITTED];
  kept.content = redactContent(pdu.type, pdu.content, rules);
  return kept as Pdu;
}

/** What redaction leaves of an event's `content`. */
export function redactContent(type: string, content: JsonObject, rules: RoomVersionRules): JsonObject {
  const keep = rules.redaction.content.get(type);
  if (keep === 'all') return content;
  const kept: JsonObject = {};
  for (const entry of keep ?? []) {
    const [key, inner] = typeof entry === 'string' ? [entry, undefined] : entry;
    const value = jsonMember(content, key);
    if (value === undefined) continue;
    if (!inner) kept[key] = value;
    // An object stays even when nothing in it does; what is no object goes. Existing servers agree on this, and the
    // event id depends on it.
    else if (isJsonObject(value)) kept[key] = pick(value, inner);
  }
  return kept;
}

function pick(object: JsonObject, keys: readonly string[]): JsonObject {
  const picked: JsonObject = {};
  for (const key of keys) {
    const value = jsonMember(object, key);
    if (value !== undefined) picked[key] = value;
  }
  return picked;
}
