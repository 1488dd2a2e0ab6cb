import type { StateDelta } from './room-log.js';

export type HistoryVisibility = 'world_readable' | 'shared' | 'invited' | 'joined';

/** A value from a position on, until the next one. */
interface Step<T> {
  readonly pos: number;
  readonly value: T;
}

/** What a state event says, by its numeric id; undefined for events that are not known. */
export type Lookup<T> = (nid: number | null) => T;

/**
 * Which events of a room a member may see (Client-Server, "Room history visibility"), by position in its timeline.
 * Visibility and membership are taken from the room's current state as it was before and after the event; as the
 * specification wants for the events that change them, the more open of the two counts. What the visibility was before
 * another event says nothing of that: with the one by which this server came into the room it learns of a state that is older.
 */
export class RoomHistory {
  readonly #visibility: readonly Step<HistoryVisibility>[];
  readonly #membership: readonly Step<string>[];
  readonly #lastJoined: number;

  /**
   * @param visibility every change of `m.room.history_visibility`, in order
   * @param membership every change of the member's event, in order
   * @param isJoined whether the member is joined where the history ends
   */
  constructor(
    visibility: readonly StateDelta[],
    membership: readonly StateDelta[],
    isJoined: boolean,
    visibilityOf: Lookup<HistoryVisibility>,
    membershipOf: Lookup<string>,
  ) {
    this.#visibility = stepsOf(visibility, visibilityOf);
    this.#membership = stepsOf(membership, membershipOf);
    // The last position at which the member was joined, also if only for a moment.
    let last = isJoined ? Infinity : -Infinity;
    for (const [i, step] of this.#membership.entries()) {
      if (step.value === 'join') last = Math.max(last, this.#membership[i + 1]?.pos ?? Infinity);
    }
    this.#lastJoined = last;
  }

  /** True when every event after the position is visible to whoever is joined at the end. */
  static isOpenAfter(pos: number, visibility: readonly StateDelta[], visibilityOf: Lookup<HistoryVisibility>): boolean {
    const isOpen = (value: HistoryVisibility): boolean => value === 'shared' || value === 'world_readable';
    const steps = stepsOf(visibility, visibilityOf);
    return steps.every((step, i) => isOpen(step.value) || (steps[i + 1] !== undefined && steps[i + 1]!.pos <= pos));
  }

  /** @param isChange whether the event at the position is one of history visibility */
  isVisible(pos: number, isChange = false): boolean {
    const membership = [valueAt(this.#membership, pos - 1), valueAt(this.#membership, pos)];
    if (membership.includes('join')) return true;
    for (const at of isChange ? [pos - 1, pos] : [pos]) {
      const visibility = this.#visibilityAt(at);
      if (visibility === 'world_readable') return true;
      if (visibility === 'shared' && this.#lastJoined > pos) return true;
      if (visibility === 'invited' && membership.includes('invite')) return true;
    }
    return false;
  }

  /** What was before this server came, which is below 0, counts as it was when it came: no room is more open for being unknown. */
  #visibilityAt(pos: number): HistoryVisibility {
    return (pos < 0 ? this.#visibility[0]?.value : valueAt(this.#visibility, pos)) ?? 'shared';
  }

  /** The positions that are visible, as stretches; of events of history visibility less than may be seen. */
  seen(): [lowest: number, highest: number][] {
    const changes = [...this.#visibility, ...this.#membership].flatMap(({ pos }) => [pos, pos + 1]);
    const starts = [...new Set([-Infinity, 0, this.#lastJoined, ...changes])].filter((pos) => pos < Infinity).sort((a, b) => a - b);
    const stretches: [number, number][] = [];
    for (const [i, start] of starts.entries()) {
      if (!this.isVisible(start)) continue;
      const end = (starts[i + 1] ?? Infinity) - 1;
      const last = stretches.at(-1);
      if (last && last[1] === start - 1) last[1] = end;
      else stretches.push([start, end]);
    }
    return stretches;
  }

  /** The member's membership after the event at the position. */
  membershipAt(pos: number): string {
    return valueAt(this.#membership, pos) ?? 'leave';
  }
}

function stepsOf<T>(deltas: readonly StateDelta[], valueOf: Lookup<T>): Step<T>[] {
  const steps = deltas.map((delta) => ({ pos: delta.pos, value: valueOf(delta.nid) }));
  const first = deltas[0];
  if (first && first.previous !== null) steps.unshift({ pos: -Infinity, value: valueOf(first.previous) });
  return steps;
}

function valueAt<T>(steps: readonly Step<T>[], pos: number): T | undefined {
  return steps.findLast((step) => step.pos <= pos)?.value;
}
