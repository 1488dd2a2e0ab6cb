import type { JsonValue, Pdu } from './pdu.js';

/** Event ids of `prev_events` or `auth_events`, which in versions 1 and 2 are pairs of an id and hashes. */
export function referencedIds(value: JsonValue | undefined): JsonValue[] {
  if (!Array.isArray(value)) return [];
  return value.map((entry) => (Array.isArray(entry) ? (entry[0] ?? null) : entry));
}

/** The PDU as the rest of the program wants it: its references are ids in every version. */
export function withPlainReferences(wire: Pdu): Pdu {
  const isPaired = (list: readonly unknown[]): boolean => list.some((entry) => typeof entry !== 'string');
  if (!isPaired(wire.prev_events) && !isPaired(wire.auth_events)) return wire;
  const plain = (list: string[]): string[] => referencedIds(list) as string[];
  return { ...wire, prev_events: plain(wire.prev_events), auth_events: plain(wire.auth_events) };
}

/**
 * References as versions 1 and 2 write them. Their hashes are left empty, as other servers do: nobody checks them, and the
 * signature covers the ids.
 */
export function pairedReferences(ids: readonly string[]): string[] {
  return ids.map((id) => [id, {}]) as unknown as string[];
}
