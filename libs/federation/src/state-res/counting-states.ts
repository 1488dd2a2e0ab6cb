import type { RoomVersionRules } from '../room-versions/index.js';
import { authChain, standing, type EventLookup } from './event-graph.js';
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
 * state has what the event cites as its predecessor; unless another state has what was built upon that, then it has no opinion: what
 * the others agree on stays agreed. Without that, a revoked home could put to the test again, by replacing it once more, whatever
 * stands undisputed.
 *
 * @param beyond by state: what it knows beyond what it shows
 */
export function countingStates(
  sets: readonly StateMap[], beyond: readonly KnownInState[], lookup: EventLookup, rules: RoomVersionRules,
): CountingStates {
  const revoked = new Set<string>();
  const known = new Set<string>(beyond.flatMap((records) => [...records.values()]));
  let current: readonly CountingMap[] = sets.map((set) => ({ state: set, silent: new Set<string>() }));
  for (;;) {
    const split = splitStates(current.map(({ state }) => state), current.map(({ silent }) => silent));
    const full = fullConflictedSet(current.map(({ state }) => state), split, lookup, rules);
    for (const id of full) known.add(id);
    const found = [...revokedEvents(full, known, split, sets.map((set, i) => ({ state: set, beyond: beyond[i]! })), lookup)].filter((id) => !revoked.has(id));
    for (const id of found) revoked.add(id);
    const next = current.map((one) => without(one, revoked, current, lookup));
    // Every round takes an event out of a state, so there is an end.
    if (found.length === 0 || next.every((one, i) => one === current[i])) return { split, full, revoked, known };
    current = next;
  }
}

interface CountingMap {
  readonly state: StateMap;
  /** Keys of which this state has no opinion. */
  readonly silent: ReadonlySet<string>;
}

function without(one: CountingMap, revoked: ReadonlySet<string>, all: readonly CountingMap[], lookup: EventLookup): CountingMap {
  const keys = [...one.state].filter(([, id]) => revoked.has(id)).map(([key]) => key);
  if (keys.length === 0) return one;
  const state = new Map(one.state);
  const silent = new Set(one.silent);
  for (const key of keys) {
    const others = all.filter((other) => other !== one).map((other) => other.state.get(key)).filter((id) => id !== undefined && !revoked.has(id)) as string[];
    const before = standing(state.get(key)!, revoked, lookup);
    if (before !== undefined && !others.some((id) => id !== before && authChain([id], lookup).has(before))) state.set(key, before);
    else {
      state.delete(key);
      silent.add(key);
    }
  }
  return { state, silent };
}
