/** A state: `stateKeyOf` → event id. */
export type StateMap = ReadonlyMap<string, string>;

/** What all states agree on, and the ids of everything else in them. */
export interface SplitStates {
  readonly unconflicted: Map<string, string>;
  readonly conflicted: Set<string>;
}

/**
 * Unconflicted state map and conflicted state set ("State resolution", definitions).
 *
 * @param silent by set: keys of which it has no opinion
 */
export function splitStates(sets: readonly StateMap[], silent?: readonly ReadonlySet<string>[]): SplitStates {
  const unconflicted = new Map<string, string>();
  const conflicted = new Set<string>();
  // With sets that have no opinion of some keys any set may be the first that has one.
  for (const first of silent ? sets : sets.slice(0, 1)) {
    for (const [key, id] of first) {
      if (sets.every((set, i) => set.get(key) === id || silent?.[i]?.has(key))) unconflicted.set(key, id);
    }
  }
  for (const set of sets) {
    for (const [key, id] of set) if (!unconflicted.has(key)) conflicted.add(id);
  }
  return { unconflicted, conflicted };
}
