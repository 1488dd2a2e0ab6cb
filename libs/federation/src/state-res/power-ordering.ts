import { powerLevelsOf, stateOf } from '../event-auth/index.js';
import type { RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { standing, type EventLookup } from './event-graph.js';
import { SmallestFirst } from './smallest-first.js';

interface Ranked {
  readonly event: RoomEvent;
  /** Of the sender, by the event's own auth events. */
  readonly level: number;
  readonly counts: boolean;
  /** How many of the event's auth events have yet to come. */
  waiting: number;
  readonly citedBy: Ranked[];
}

/**
 * The reverse topological power ordering ("State resolution", definitions), by Kahn's algorithm: auth events before
 * what cites them, and among what is free, the greatest sender's level, the earliest `origin_server_ts`, the smallest
 * event id.
 *
 * Portable rooms: events that do not count are left out, and hold up nothing; but what cites them stays behind what they cite.
 *
 * @param create the room's create event, where events do not cite it
 * @param revoked events of the set that do not count
 */
export function powerOrdering(
  ids: ReadonlySet<string>, rules: RoomVersionRules, lookup: EventLookup, create: RoomEvent | undefined,
  revoked: ReadonlySet<string> = new Set(),
): RoomEvent[] {
  const nodes = new Map<string, Ranked>();
  for (const id of ids) {
    const event = lookup(id);
    if (!event) continue;
    const level = senderLevel(event, rules, lookup, create, revoked);
    nodes.set(id, { event, level: revoked.has(id) ? Infinity : level, counts: !revoked.has(id), waiting: 0, citedBy: [] });
  }
  const free = new SmallestFirst<Ranked>(compareRanked);
  for (const node of nodes.values()) {
    for (const id of node.event.pdu.auth_events) {
      const cited = nodes.get(id);
      if (!cited) continue;
      cited.citedBy.push(node);
      node.waiting++;
    }
  }
  for (const node of nodes.values()) if (node.waiting === 0) free.push(node);
  const sorted: RoomEvent[] = [];
  for (let node = free.pop(); node; node = free.pop()) {
    if (node.counts) sorted.push(node.event);
    for (const citing of node.citedBy) if (--citing.waiting === 0) free.push(citing);
  }
  return sorted;
}

function compareRanked(x: Ranked, y: Ranked): number {
  if (x.counts !== y.counts) return x.counts ? 1 : -1;
  // Levels can be Infinity, whose difference is NaN.
  if (x.level !== y.level) return x.level > y.level ? -1 : 1;
  return compareByTime(x.event, y.event);
}

/** The tie-breaks that both orderings share: `origin_server_ts`, then event id. */
export function compareByTime(x: RoomEvent, y: RoomEvent): number {
  if (x.pdu.origin_server_ts !== y.pdu.origin_server_ts) return x.pdu.origin_server_ts - y.pdu.origin_server_ts;
  if (x.eventId === y.eventId) return 0;
  return x.eventId < y.eventId ? -1 : 1;
}

function senderLevel(
  event: RoomEvent, rules: RoomVersionRules, lookup: EventLookup, create: RoomEvent | undefined, revoked: ReadonlySet<string>,
): number {
  const cited = event.pdu.auth_events.map((id) => lookup(standing(id, revoked, lookup) ?? '')).filter((found) => found !== undefined);
  return powerLevelsOf(stateOf(create ? [create, ...cited] : cited), rules).user(event.pdu.sender);
}
