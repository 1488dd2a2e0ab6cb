import { powerLevelsOf, stateOf } from '../event-auth/index.js';
import type { RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { causalOrder, type Ranked } from './causal-order.js';
import { standing, type EventLookup } from './event-graph.js';

interface Powerful extends Ranked {
  /** Of the sender, by the event's own auth events. */
  readonly level: number;
}

/**
 * The reverse topological power ordering ("State resolution", definitions): auth events before
 * what cites them, and among what is free, the greatest sender's level, the earliest `origin_server_ts`, the smallest
 * event id.
 *
 * @param create the room's create event, where events do not cite it
 * @param revoked events of the set that do not count
 */
export function powerOrdering(
  ids: ReadonlySet<string>, rules: RoomVersionRules, lookup: EventLookup, create: RoomEvent | undefined,
  revoked: ReadonlySet<string> = new Set(),
): RoomEvent[] {
  const ranked: Powerful[] = [];
  for (const id of ids) {
    const event = lookup(id);
    if (event) ranked.push({ event, counts: !revoked.has(id), level: senderLevel(event, rules, lookup, create, revoked) });
  }
  return causalOrder(ranked, comparePowerful);
}

function comparePowerful(x: Powerful, y: Powerful): number {
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
