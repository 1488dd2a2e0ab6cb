import type { RoomEvent } from '../events/index.js';
import { SmallestFirst } from './smallest-first.js';

/** An event with what decides its place. */
export interface Ranked {
  readonly event: RoomEvent;
  /** Portable rooms: false for an event that does not count. It is left out and holds up nothing, but what cites it stays behind what it cites. */
  readonly counts: boolean;
}

interface Node<T> {
  readonly ranked: T;
  /** How many of the event's auth events have yet to come. */
  waiting: number;
  readonly citedBy: Node<T>[];
}

/** Kahn's algorithm: what an event cites comes before it, and among what is free the smallest. */
export function causalOrder<T extends Ranked>(events: readonly T[], compare: (x: T, y: T) => number): RoomEvent[] {
  const nodes = new Map(events.map((ranked): [string, Node<T>] => [ranked.event.eventId, { ranked, waiting: 0, citedBy: [] }]));
  const free = new SmallestFirst<Node<T>>(({ ranked: x }, { ranked: y }) => (x.counts !== y.counts ? (x.counts ? 1 : -1) : compare(x, y)));
  for (const node of nodes.values()) {
    for (const id of node.ranked.event.pdu.auth_events) {
      const cited = nodes.get(id);
      if (!cited) continue;
      cited.citedBy.push(node);
      node.waiting++;
    }
  }
  for (const node of nodes.values()) if (node.waiting === 0) free.push(node);
  const sorted: RoomEvent[] = [];
  for (let node = free.pop(); node; node = free.pop()) {
    if (node.ranked.counts) sorted.push(node.ranked.event);
    for (const citing of node.citedBy) if (--citing.waiting === 0) free.push(citing);
  }
  return sorted;
}
