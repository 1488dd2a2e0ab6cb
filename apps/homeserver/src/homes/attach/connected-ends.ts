/** What one replica has said of the ends of a room's graph. */
export interface ReplicaEnds {
  /** Its ends whose events were given and hold. */
  readonly ends: readonly string[];
  /** prev_events of the events that it gave, by event id. */
  readonly prev: ReadonlyMap<string, readonly string[]>;
  /** Other events that it says it has: its state and the rest of its ends. */
  readonly held: ReadonlySet<string>;
}

/**
 * The ends that a new home builds upon, one of each replica in turn (protocol §3, "Moving in"): by depth or time anybody could bring
 * his own before all others. An end counts when it leads, by events that were given, to one that another replica has too; what hangs
 * in the air nobody else could follow. With one replica there is nobody to compare with.
 *
 * Pure.
 */
export function connectedEnds(replicas: readonly ReplicaEnds[]): string[] {
  const lists = replicas.map((replica) => {
    const others = replicas.filter((other) => other !== replica);
    return replica.ends.filter((end) => others.length === 0 || isShared(end, replica, others));
  });
  const chosen = new Set<string>();
  for (let turn = 0; lists.some((list) => list.length > turn); turn++) {
    for (const list of lists) if (list[turn] !== undefined) chosen.add(list[turn]!);
  }
  return [...chosen];
}

function isShared(end: string, { prev }: ReplicaEnds, others: readonly ReplicaEnds[]): boolean {
  const seen = new Set<string>();
  const stack = [end];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    if (others.some((other) => other.held.has(id) || other.prev.has(id) || other.ends.includes(id))) return true;
    stack.push(...(prev.get(id) ?? []));
  }
  return false;
}
