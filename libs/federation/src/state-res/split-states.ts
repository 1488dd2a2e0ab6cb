/** A state: `stateKeyOf` → event id. */
export type StateMap = ReadonlyMap<string, string>;

/** What all states agree on, and the ids of everything else in them. */
export interface SplitStates {
  readonly unconflicted: Map<string, string>;
  readonly conflicted: Set<string>;
}

/** Unconflicted state map and conflicted state set ("State resolution", definitions). */
export function splitStates(sets: readonly StateMap[]): SplitStates {
  const unconflicted = new Map<string, string>();
  const conflicted = new Set<string>();
  const [first, ...others] = sets;
  for (const [key, id] of first ?? []) {
    if (others.every((set) => set.get(key) === id)) unconflicted.set(key, id);
  }
  for (const set of sets) {
    for (const [key, id] of set) if (!unconflicted.has(key)) conflicted.add(id);
  }
  return { unconflicted, conflicted };
}
