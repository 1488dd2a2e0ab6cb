import type { JsonObject, JsonValue } from '#federation';

/** What the operator says of how long messages are kept; milliseconds. */
export interface RetentionRule {
  /** Of rooms that say nothing; null for ever. */
  readonly lifetime: number | null;
  /** Between which a room may choose; null for any. */
  readonly limits: readonly [least: number, most: number] | null;
}

/**
 * How long the messages of a room are kept (MSC1763).
 *
 * @param content of its `m.room.retention`; what is malformed says nothing
 * @returns milliseconds; null for ever
 */
export function lifetimeOf(content: Readonly<JsonObject> | undefined, { lifetime, limits }: RetentionRule): number | null {
  const [least, most] = [millisecondsOf(content?.['min_lifetime']), millisecondsOf(content?.['max_lifetime'])];
  const isSaid = most !== undefined && most >= (least ?? 0);
  if (!isSaid) return lifetime === null ? null : Math.max(lifetime, least ?? 0);
  return limits === null ? most : Math.min(limits[1], Math.max(limits[0], most));
}

function millisecondsOf(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
