import type { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';

/** Events that are looked at, counting those that are not given out. */
const MAX_VISITED = 2_000;

export interface WalkBack {
  readonly roomId: string;
  /** Where it starts; these events are part of the result. */
  readonly from: readonly string[];
  readonly limit: number;
  /** Not entered. */
  readonly without?: ReadonlySet<string>;
  readonly minDepth?: number;
}

/**
 * Events that others lead to by their prev_events, breadth first. Rejected events are passed through but not given out:
 * nobody else should have to judge them.
 *
 * A room is nearly always a chain, which would make a query of each event: with every event that has to be read come those before it
 * in the timeline.
 */
export async function walkBack(store: EventsStore, { roomId, from, limit, without, minDepth = 0 }: WalkBack): Promise<StoredEvent[]> {
  const known = new Map<string, StoredEvent>();
  const asked = new Set<string>();
  const read = async (ids: readonly string[]): Promise<void> => {
    const missing = ids.filter((id) => !known.has(id) && !asked.has(id));
    if (missing.length === 0) return;
    for (const id of missing) asked.add(id);
    const stored = await store.byIds(roomId, missing);
    for (const item of stored) known.set(item.event.eventId, item);
    const positions = stored.flatMap((item) => item.pos ?? []);
    if (positions.length === 0) return;
    for (const item of await store.below(roomId, Math.min(...positions), limit)) known.set(item.event.eventId, item);
  };
  const found: StoredEvent[] = [];
  const visited = new Set<string>();
  let level = [...new Set(from)];
  while (level.length > 0 && found.length < limit && visited.size < MAX_VISITED) {
    await read(level);
    const next = new Set<string>();
    for (const id of level) {
      const item = known.get(id);
      if (visited.has(id) || without?.has(id) || !item || item.status === EventStatus.outlier || item.depth < minDepth) continue;
      visited.add(id);
      if (item.status !== EventStatus.rejected) found.push(item);
      if (found.length === limit) break;
      for (const prev of item.event.pdu.prev_events) next.add(prev);
    }
    level = [...next];
  }
  return found;
}
