import type { TimelineRow } from './room-log.js';

/** Bytes of events that are looked at together. */
const PART_BYTES = 4 * 1024 * 1024;

/** Rows of rooms in parts, in order, whose events may be in memory together: an event is in a part of its own where it is larger. */
export function partsOf(rows: ReadonlyMap<number, readonly TimelineRow[]>, max = PART_BYTES): ReadonlyMap<number, readonly TimelineRow[]>[] {
  let total = 0;
  for (const list of rows.values()) for (const { bytes } of list) total += bytes;
  if (total <= max) return [rows];
  const parts: Map<number, TimelineRow[]>[] = [];
  let left = 0;
  for (const [roomNid, list] of rows) {
    for (const row of list) {
      left -= row.bytes;
      if (parts.length === 0 || left < 0) {
        parts.push(new Map());
        left = max - row.bytes;
      }
      const part = parts.at(-1)!;
      part.set(roomNid, [...(part.get(roomNid) ?? []), row]);
    }
  }
  return parts;
}
