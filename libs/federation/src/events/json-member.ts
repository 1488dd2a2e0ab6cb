import type { JsonObject, JsonValue } from './pdu.js';

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A member of an untrusted value; undefined when it is no object or has no such member of its own. Use it wherever the
 * key comes from outside: `content['constructor']` would answer with what every object inherits.
 */
export function jsonMember(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
