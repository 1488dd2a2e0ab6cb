import { rewind, type StateDelta } from './room-log.js';

export interface StateSelection {
  /**
   * The state at the end of the timeline, as far as it is to be sent in full; null for what changed only. Changes of
   * keys outside of it are left out, unless `alsoChanges`.
   */
  readonly full: ReadonlyMap<string, number> | null;
  /** Changes in order: from where the client is (or, with `full`, from the start of the timeline) to the end. */
  readonly deltas: readonly StateDelta[];
  /** Position of the first event of the timeline. */
  readonly start: number;
  /** Ids of the timeline's events. */
  readonly timeline: ReadonlySet<number>;
  /** `use_state_after`: the client takes nothing from the timeline. */
  readonly after: boolean;
}

/**
 * The state events that go beside a timeline, so that the client has the right state after it.
 *
 * A client without `use_state_after` applies the timeline to what it gets here. What changed before the timeline is
 * sent as it was then, and what
 * changed within it by other means than one of its events (state resolution, filters) as it is at the end.
 */
export function selectState({ full, deltas, start, timeline, after }: StateSelection): number[] {
  const final = new Map<string, number>(full ?? []);
  const atStart = new Map<string, number>();
  if (full) {
    for (const [key, nid] of rewind(new Map(full), deltas.filter((delta) => full.has(delta.key)), start - 1)) atStart.set(key, nid);
  } else {
    for (const delta of deltas) {
      setOrDelete(final, delta);
      if (delta.pos < start) setOrDelete(atStart, delta);
    }
  }
  if (after) return [...final.values()];
  const chosen: number[] = [];
  for (const key of new Set([...final.keys(), ...atStart.keys()])) {
    const nid = final.get(key);
    if (nid !== undefined && !timeline.has(nid)) chosen.push(nid);
    else {
      const before = atStart.get(key);
      if (before !== undefined && !timeline.has(before)) chosen.push(before);
    }
  }
  return chosen;
}

function setOrDelete(state: Map<string, number>, delta: StateDelta): void {
  if (delta.nid === null) state.delete(delta.key);
  else state.set(delta.key, delta.nid);
}
