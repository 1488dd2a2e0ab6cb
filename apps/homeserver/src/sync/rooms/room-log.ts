/** An event's place in a room's timeline. */
export interface TimelineRow {
  readonly nid: number;
  readonly pos: number;
  /** Of its JSON. */
  readonly bytes: number;
}

/** A change of a room's current state at a position. */
export interface StateDelta {
  readonly pos: number;
  /** `stateKeyOf` the state. */
  readonly key: string;
  /** The new state event; null when the state was removed. */
  readonly nid: number | null;
  /** The one before; null when there was none. */
  readonly previous: number | null;
}

/** A stretch of positions of a room: `after < pos <= to`. */
export interface Stretch {
  readonly roomNid: number;
  readonly after: number;
  readonly to: number;
}

const MEMBER_PREFIX = 'm.room.member\u0000';

/** The member that a state key names, or undefined for other state. */
export function memberOf(key: string): string | undefined {
  return key.startsWith(MEMBER_PREFIX) ? key.slice(MEMBER_PREFIX.length) : undefined;
}

/** Takes back all changes after the position. Changes are in order of position and reach from it to the state's own. */
export function rewind(state: Map<string, number>, deltas: readonly StateDelta[], pos: number): Map<string, number> {
  for (let i = deltas.length - 1; i >= 0; i--) {
    const delta = deltas[i]!;
    if (delta.pos <= pos) break;
    if (delta.previous === null) state.delete(delta.key);
    else state.set(delta.key, delta.previous);
  }
  return state;
}

/** Applies changes, which are in order of position. */
export function advance(state: Map<string, number>, deltas: readonly StateDelta[]): void {
  for (const delta of deltas) {
    if (delta.nid === null) state.delete(delta.key);
    else state.set(delta.key, delta.nid);
  }
}
