import { stateKeyOf } from '#federation';
import { advance, memberOf, rewind, type StateDelta, type TimelineRow } from './room-log.js';

/** Timeline rows and changes of state that a window keeps; half is dropped beyond. */
const MAX_ROWS = 200;
const MAX_DELTAS = 400;
const MAX_MEMBERS = 500;

const VISIBILITY_KEY = stateKeyOf('m.room.history_visibility', '');

/**
 * The end of a room's history in memory, shared by all who sync: its newest timeline rows, changes of state, the state
 * itself and the member events that were asked for. Everything here is exact as of `upTo`.
 */
export class RoomWindow {
  /** Newest last; complete for `rowsBase < pos <= upTo`. */
  #rows: TimelineRow[] = [];
  #rowsBase: number;
  /** Complete for `deltasBase < pos <= upTo`. */
  #deltas: StateDelta[] = [];
  #deltasBase: number;
  #state: Map<string, number> | null = null;
  readonly #members = new Map<string, number | null>();
  #visibility: StateDelta[] | null = null;

  constructor(
    readonly roomNid: number,
    public upTo: number,
  ) {
    this.#rowsBase = upTo;
    this.#deltasBase = upTo;
  }

  /** Whether everything after the position, or at least the newest `count` rows up to `to`, are here. */
  hasRows(after: number, to: number, count: number): boolean {
    return this.#rowsBase <= after || this.rows(after, to).length >= count;
  }

  rows(after: number, to: number): TimelineRow[] {
    return this.#rows.filter((row) => row.pos > after && row.pos <= to);
  }

  get rowsBase(): number {
    return this.#rowsBase;
  }

  hasDeltas(after: number): boolean {
    return this.#deltasBase <= after;
  }

  deltas(after: number, to: number): StateDelta[] {
    return this.#deltas.filter((delta) => delta.pos > after && delta.pos <= to);
  }

  get deltasBase(): number {
    return this.#deltasBase;
  }

  get hasState(): boolean {
    return this.#state !== null;
  }

  /** State without members at the position; needs `hasState` and `hasDeltas(pos)`. */
  stateAt(pos: number): Map<string, number> {
    const state = rewind(new Map(this.#state), this.#deltas, pos);
    for (const key of state.keys()) if (memberOf(key) !== undefined) state.delete(key);
    return state;
  }

  knowsMember(key: string): boolean {
    return this.#members.has(key);
  }

  /** The member event of a state key that is known; needs `hasDeltas(pos)`. */
  memberAt(key: string, pos: number): number | null {
    const later = this.#deltas.find((delta) => delta.pos > pos && delta.key === key);
    return later ? later.previous : (this.#members.get(key) ?? null);
  }

  /**
   * Adds what came after `upTo`.
   *
   * @param rows the newest rows of the stretch, oldest first
   * @param isComplete whether these are all of the stretch
   */
  append(rows: readonly TimelineRow[], isComplete: boolean, deltas: readonly StateDelta[], upTo: number): void {
    if (!isComplete) {
      this.#rows = [];
      this.#rowsBase = rows[0]!.pos - 1;
    }
    this.#rows.push(...rows);
    for (const delta of deltas) this.#deltas.push(delta);
    if (this.#state) advance(this.#state, deltas.filter((delta) => memberOf(delta.key) === undefined));
    for (const delta of deltas) if (this.#members.has(delta.key)) this.#members.set(delta.key, delta.nid);
    if (this.#visibility) this.#visibility.push(...deltas.filter((delta) => delta.key === VISIBILITY_KEY));
    this.upTo = upTo;
    this.#trim();
  }

  /** Adds rows that end where the window's begin. */
  prependRows(rows: readonly TimelineRow[], base: number): void {
    this.#rows.unshift(...rows);
    this.#rowsBase = base;
  }

  /** Adds changes that end where the window's begin. */
  prependDeltas(deltas: readonly StateDelta[], base: number): void {
    this.#deltas = [...deltas, ...this.#deltas];
    this.#deltasBase = base;
  }

  /** @param state without members, as of `upTo` */
  setState(state: Map<string, number>): void {
    this.#state = state;
  }

  /** @param nid the member event as of `upTo`, or null where there is none */
  setMember(key: string, nid: number | null): void {
    if (this.#members.size >= MAX_MEMBERS) this.#members.delete(this.#members.keys().next().value!);
    this.#members.set(key, nid);
  }

  /** Every change of the room's history visibility up to `upTo`, or null when they were not read yet. */
  get visibility(): readonly StateDelta[] | null {
    return this.#visibility;
  }

  setVisibility(history: StateDelta[]): void {
    this.#visibility = history;
  }

  #trim(): void {
    if (this.#rows.length > MAX_ROWS) {
      const dropped = this.#rows.splice(0, this.#rows.length - MAX_ROWS / 2);
      this.#rowsBase = dropped.at(-1)!.pos;
    }
    if (this.#deltas.length > MAX_DELTAS) {
      // All changes of one position go together: the base is a position.
      const last = this.#deltas[this.#deltas.length - MAX_DELTAS / 2 - 1]!.pos;
      this.#deltas = this.#deltas.filter((delta) => delta.pos > last);
      this.#deltasBase = last;
    }
  }
}
