import type { RoomVersionRules } from '../room-versions/index.js';
import { authChain, stateKeyOfEvent, type EventLookup } from './event-graph.js';
import { fullConflictedSet } from './full-conflicted-set.js';
import { revokedEvents } from './revoked-events.js';
import { splitStates, type SplitStates, type StateMap } from './split-states.js';

/** What a resolution starts from. */
export interface CountingStates {
  readonly split: SplitStates;
  readonly full: ReadonlySet<string>;
  /** Events that do not count (protocol §3, "Resolution"). */
  readonly revoked: ReadonlySet<string>;
}

/**
 * Portable rooms: the states as they would be without what homes did beside their revocation. In the place of such an event a
 * state has what the event cites as its predecessor, where that is later than what the other states have, and else no opinion: what
 * the others agree on stays agreed. Without that, a revoked home could put to the test again, by replacing it once more, whatever
 * stands undisputed.
 */
export function countingStates(sets: readonly StateMap[], lookup: EventLookup, rules: RoomVersionRules): CountingStates {
  const revoked = new Set<string>();
  const known = new Set<string>();
  let current: readonly CountingMap[] = sets.map((set) => ({ state: set, silent: new Set<string>() }));
  for (;;) {
    const split = splitStates(current.map(({ state }) => state), current.map(({ silent }) => silent));
    const full = fullConflictedSet(current.map(({ state }) => state), split, lookup, rules);
    for (const id of full) known.add(id);
    const found = [...revokedEvents(full, known, split, sets, lookup)].filter((id) => !revoked.has(id));
    for (const id of found) revoked.add(id);
    const next = current.map((one) => without(one, revoked, current, lookup));
    // Every round takes an event out of a state, so there is an end.
    if (found.length === 0 || next.every((one, i) => one === current[i])) return { split, full, revoked };
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
    const before = predecessor(state.get(key)!, key, revoked, lookup);
    const chain = before === undefined ? undefined : authChain([before], lookup).add(before);
    if (before !== undefined && others.every((id) => chain!.has(id))) state.set(key, before);
    else {
      state.delete(key);
      silent.add(key);
    }
  }
  return { state, silent };
}

/** What an event cites of its own key, as member events and power levels do. */
function predecessor(id: string, key: string, revoked: ReadonlySet<string>, lookup: EventLookup): string | undefined {
  for (let at: string | undefined = id; at !== undefined;) {
    at = lookup(at)?.pdu.auth_events.find((cited) => {
      const event = lookup(cited);
      return event !== undefined && stateKeyOfEvent(event) === key;
    });
    if (at === undefined || !revoked.has(at)) return at;
  }
  return undefined;
}
