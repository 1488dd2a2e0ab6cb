import type { RoomEvent } from '../events/index.js';
import { causalOrder, type Ranked } from './causal-order.js';
import { authEventOf, type EventLookup } from './event-graph.js';
import { compareByTime } from './power-ordering.js';

interface Positioned extends Ranked {
  readonly position: number;
}

/**
 * The mainline ordering ("State resolution", definitions) of events, based on a power levels event: those whose power
 * levels lie furthest back first, then by `origin_server_ts`, then by event id.
 *
 * @param revoked in portable rooms, where what an event cites comes before it (protocol §3, "Resolution"): events that do not count
 */
export function mainlineOrdering(
  events: readonly RoomEvent[], powerLevels: RoomEvent | undefined, lookup: EventLookup, revoked?: ReadonlySet<string>,
): RoomEvent[] {
  // Power levels event → index in the mainline, Infinity where its own chain never meets the mainline. It starts as
  // the mainline and remembers all that is walked, so that every link is followed once.
  const positions = new Map<string, number>();
  for (let at = powerLevels; at && !positions.has(at.eventId); at = previousLevels(at, lookup)) {
    positions.set(at.eventId, positions.size);
  }
  const ranked = events.map((event): Positioned => ({ event, counts: revoked?.has(event.eventId) !== true, position: positionOf(event, positions, lookup) }));
  return revoked ? causalOrder(ranked, comparePositioned) : ranked.sort(comparePositioned).map(({ event }) => event);
}

function comparePositioned(x: Positioned, y: Positioned): number {
  return x.position !== y.position ? (x.position > y.position ? -1 : 1) : compareByTime(x.event, y.event);
}

function positionOf(event: RoomEvent, positions: Map<string, number>, lookup: EventLookup): number {
  const walked: string[] = [];
  let position: number | undefined;
  for (let at = previousLevels(event, lookup); at; at = previousLevels(at, lookup)) {
    position = positions.get(at.eventId);
    if (position !== undefined) break;
    walked.push(at.eventId);
  }
  position ??= Infinity;
  for (const id of walked) positions.set(id, position);
  return position;
}

function previousLevels(event: RoomEvent, lookup: EventLookup): RoomEvent | undefined {
  return authEventOf(event, 'm.room.power_levels', '', lookup);
}
