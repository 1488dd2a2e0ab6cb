import type { RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { standing, type EventLookup } from './event-graph.js';
import { fullConflictedSet } from './full-conflicted-set.js';
import type { KnownInState } from './known-records.js';
import { revokedEvents } from './revoked-events.js';
import { splitStates, type SplitStates, type StateMap } from './split-states.js';

/** What a resolution starts from. */
export interface CountingStates {
  readonly split: SplitStates;
  readonly full: ReadonlySet<string>;
  /** Events that do not count (protocol §3, "Resolution"). */
  readonly revoked: ReadonlySet<string>;
  /** Events that may carry records: all that were in a full conflicted set, and what the states know beyond what they show. */
  readonly known: ReadonlySet<string>;
}

/**
 * Portable rooms: the states as they would be without what homes did beside their revocation. In the place of such an event a
 * state has what the event replaced, which it cites, and so on; nothing where it replaced nothing.
 *
 * @param beyond by state: what it knows beyond what it shows
 * @param isRefusedWithout whether the rules refuse an event by its auth events where one of them makes way for what it replaced
 */
export function countingStates(
  sets: readonly StateMap[], beyond: readonly KnownInState[], lookup: EventLookup, rules: RoomVersionRules,
  isRefusedWithout: (event: RoomEvent, citedId: string) => boolean,
): CountingStates {
  const revoked = new Set<string>();
  const known = new Set<string>(beyond.flatMap((records) => [...records.values()]));
  let current = sets;
  for (;;) {
    const split = splitStates(current);
    const full = fullConflictedSet(current, split, lookup, rules);
    for (const id of full) known.add(id);
    const found = [...revokedEvents(full, known, split, sets.map((set, i) => ({ state: set, beyond: beyond[i]! })), lookup, isRefusedWithout)].filter((id) => !revoked.has(id));
    for (const id of found) revoked.add(id);
    const next = current.map((one) => without(one, revoked, lookup));
    // Every round takes an event out of a state, so there is an end.
    if (found.length === 0 || next.every((one, i) => one === current[i])) return { split, full, revoked, known };
    current = next;
  }
}

function without(state: StateMap, revoked: ReadonlySet<string>, lookup: EventLookup): StateMap {
  const left = [...state].filter(([, id]) => revoked.has(id));
  if (left.length === 0) return state;
  const next = new Map(state);
  for (const [key, id] of left) {
    const before = standing(id, revoked, lookup);
    if (before === undefined) next.delete(key);
    else next.set(key, before);
  }
  return next;
}
