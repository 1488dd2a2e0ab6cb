import { changesOf, KNOWN_RECORD_TYPE, type RoomEvent, type RoomVersionRules } from '#federation';
import { splitStateKey } from './state-key.js';

/** One layer of a snapshot: what it changes over the layers below. A null removes. */
export interface SnapshotLayer {
  readonly nid: number;
  readonly entries: ReadonlyMap<string, number | null>;
}

/** A layer that was made and is to be stored. */
export interface NewSnapshot extends SnapshotLayer {
  readonly parentNid: number | null;
  readonly layers: number;
}

/** Layers hold up to this many entries, its square, its cube and so on: four or five layers for 10,000 members. */
const RATIO = 8;

/**
 * The state of a room at some point, as event nids by state key (`stateKeyOf`). Immutable. It is kept as layers, each a
 * change of those below it; sizes fall by a constant factor, so that a change costs a few dozen rows at most, and reading
 * a state never follows a long chain.
 */
export class Snapshot {
  /** @param layers bottom first; empty for the state before the first event */
  constructor(readonly layers: readonly SnapshotLayer[]) {}

  static readonly empty = new Snapshot([]);

  /** Numeric id, null for the empty state; NaN for one that is not stored (`with`). */
  get nid(): number | null {
    return this.layers.at(-1)?.nid ?? null;
  }

  /** Whether equal ids mean equal states. */
  get isStored(): boolean {
    return Number.isSafeInteger(this.nid);
  }

  get(key: string): number | undefined {
    for (let i = this.layers.length - 1; i >= 0; i--) {
      const nid = this.layers[i]!.entries.get(key);
      if (nid !== undefined) return nid ?? undefined;
    }
    return undefined;
  }

  /** What is shown of it: without what a portable room's state knows of records beyond. */
  shown(rules: RoomVersionRules): Map<string, number> {
    const state = this.toMap();
    if (rules.portable) for (const key of state.keys()) if (splitStateKey(key)[0] === KNOWN_RECORD_TYPE) state.delete(key);
    return state;
  }

  /** The whole state. */
  toMap(): Map<string, number> {
    const state = new Map<string, number>();
    for (const layer of this.layers) {
      for (const [key, nid] of layer.entries) {
        if (nid === null) state.delete(key);
        else state.set(key, nid);
      }
    }
    return state;
  }

  /**
   * This state with changes.
   *
   * @param nid id for the new layer
   */
  extend(changes: ReadonlyMap<string, number | null>, nid: number): { snapshot: Snapshot; row: NewSnapshot } {
    const layers = [...this.layers];
    let entries = new Map(changes);
    let capacity = RATIO;
    while (layers.length > 0 && layers.at(-1)!.entries.size <= capacity) {
      const merged = new Map(layers.pop()!.entries);
      for (const [key, value] of entries) merged.set(key, value);
      entries = merged;
      while (entries.size > capacity) capacity *= RATIO;
    }
    // Nothing is below a full snapshot, so a removal has nothing to remove.
    if (layers.length === 0) for (const [key, value] of entries) if (value === null) entries.delete(key);
    const parentNid = layers.at(-1)?.nid ?? null;
    const layer: SnapshotLayer = { nid, entries };
    return {
      snapshot: new Snapshot([...layers, layer]),
      row: { nid, entries, parentNid, layers: layers.length + 1 },
    };
  }

  /** This state with changes, to be read only: it has no id and cannot be built upon. */
  with(changes: ReadonlyMap<string, number | null>): Snapshot {
    return new Snapshot([...this.layers, { nid: Number.NaN, entries: changes }]);
  }

  /** What an event changes in this state, if it is one of state. */
  changesBy(event: RoomEvent, nid: number, rules: RoomVersionRules): Map<string, number | null> {
    const { sets, ends } = changesOf(event, { has: (key) => this.get(key) !== undefined }, rules);
    const changes = new Map<string, number | null>();
    if (sets !== undefined) changes.set(sets, nid);
    if (ends !== undefined) changes.set(ends, null);
    return changes;
  }

  /** What turns this state into the other. */
  changesTo(target: ReadonlyMap<string, number>): Map<string, number | null> {
    const own = this.toMap();
    const changes = new Map<string, number | null>();
    for (const [key, nid] of target) if (own.get(key) !== nid) changes.set(key, nid);
    for (const key of own.keys()) if (!target.has(key)) changes.set(key, null);
    return changes;
  }
}
