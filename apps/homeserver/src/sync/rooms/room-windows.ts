import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { stateKeyOf } from '#federation';
import { Bus } from '../../bus/bus.js';
import { advance, type StateDelta, type TimelineRow } from './room-log.js';
import type { SqlFilter } from '../filter/event-matcher.js';
import { RoomLogStore } from './room-log.store.js';
import { RoomWindow } from './room-window.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Rooms whose end is in memory. */
const MAX_WINDOWS = 5_000;
/** Rows that are read to bring a window up to date; with more in between it starts anew. */
const EXTENSION = 64;
/** Rows and changes that are kept when they were read for somebody. */
const MAX_KEPT_ROWS = 100;
const MAX_KEPT_DELTAS = 200;

export interface RoomAt {
  readonly roomNid: number;
  readonly pos: number;
}

const VISIBILITY_KEY = stateKeyOf('m.room.history_visibility', '');

/**
 * Reads rooms through their windows: what is in memory costs no query, what is not is read for all rooms of the call at
 * once. When a message wakes a thousand syncs, the first of them reads it and the others find it here.
 */
@Injectable()
export class RoomWindows implements OnModuleDestroy {
  readonly #windows = boundedCache<number, RoomWindow>(MAX_WINDOWS);
  /** Windows that are being brought up to date. */
  readonly #refreshing = new Map<number, Promise<void>>();

  /** Counts what was put into the past of rooms: rows that were read before must not be kept after it. */
  #insertions = 0;
  readonly #unsubscribe: () => void;

  constructor(
    private readonly store: RoomLogStore,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind !== 'room' || !message.hasHistory) return;
      this.#insertions++;
      this.#windows.delete(message.roomNid);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** Brings the windows of these rooms to `to` at least; the other methods need it. */
  async refresh(roomNids: Iterable<number>, to: number): Promise<void> {
    let stale = [...roomNids];
    for (;;) {
      stale = stale.filter((nid) => {
        const window = this.#windows.get(nid);
        if (!window && !this.#refreshing.has(nid)) this.#windows.set(nid, new RoomWindow(nid, to));
        return window !== undefined && window.upTo < to;
      });
      if (stale.length === 0) return;
      const others = stale.map((nid) => this.#refreshing.get(nid)).filter((promise) => promise !== undefined);
      const mine = stale.filter((nid) => !this.#refreshing.has(nid));
      if (mine.length > 0) {
        const work = this.#extend(mine, to).finally(() => {
          for (const nid of mine) this.#refreshing.delete(nid);
        });
        for (const nid of mine) this.#refreshing.set(nid, work);
        others.push(work);
      }
      await Promise.all(others);
    }
  }

  /** The newest `count` timeline rows with `after < pos <= to` of each room, oldest first. */
  async rows(
    wanted: readonly { roomNid: number; after: number; to: number }[], count: number,
  ): Promise<Map<number, TimelineRow[]>> {
    const found = new Map<number, TimelineRow[]>();
    const missing: { roomNid: number; after: number; to: number; base: number }[] = [];
    for (const { roomNid, after, to } of wanted) {
      const window = this.#windows.get(roomNid);
      const held = window?.rows(after, to) ?? [];
      found.set(roomNid, held.slice(-count));
      if (window?.hasRows(after, to, count)) continue;
      missing.push({ roomNid, after, to: Math.min(to, window?.rowsBase ?? to), base: window?.rowsBase ?? -1 });
    }
    if (missing.length === 0) return found;
    const insertions = this.#insertions;
    for (const [roomNid, rows] of await this.store.newest(missing, count)) {
      const { after, to, base } = missing.find((one) => one.roomNid === roomNid)!;
      const window = this.#windows.get(roomNid);
      if (window?.rowsBase === base && base === to && rows.length <= MAX_KEPT_ROWS && insertions === this.#insertions) {
        window.prependRows(rows, rows.length < count ? after : rows[0]!.pos - 1);
      }
      found.set(roomNid, [...rows, ...found.get(roomNid)!].slice(-count));
    }
    return found;
  }

  /** The newest rows that pass a filter, from the database. */
  filteredRows(
    wanted: readonly { roomNid: number; after: number; to: number }[], count: number, filter: SqlFilter,
  ): Promise<Map<number, TimelineRow[]>> {
    return this.store.newest(wanted, count, filter);
  }

  /** Changes of state with `after < pos <= to` of each room, in order. */
  async deltas(wanted: readonly { roomNid: number; after: number; to: number }[]): Promise<Map<number, StateDelta[]>> {
    const found = new Map<number, StateDelta[]>();
    const missing: { roomNid: number; after: number; to: number; base: number }[] = [];
    for (const { roomNid, after, to } of wanted) {
      const window = this.#windows.get(roomNid);
      found.set(roomNid, window?.deltas(after, to) ?? []);
      if (window?.hasDeltas(after)) continue;
      missing.push({ roomNid, after, to: Math.min(to, window?.deltasBase ?? to), base: window?.deltasBase ?? -1 });
    }
    if (missing.length === 0) return found;
    for (const [roomNid, deltas] of await this.store.deltas(missing)) {
      const { after, to, base } = missing.find((one) => one.roomNid === roomNid)!;
      const window = this.#windows.get(roomNid);
      if (window?.deltasBase === base && base === to && deltas.length <= MAX_KEPT_DELTAS) window.prependDeltas(deltas, after);
      found.set(roomNid, [...deltas, ...found.get(roomNid)!]);
    }
    return found;
  }

  /** State without members, by `stateKeyOf`, at the position of each room. The maps are the caller's. */
  async state(wanted: readonly RoomAt[]): Promise<Map<number, Map<string, number>>> {
    const found = new Map<number, Map<string, number>>();
    const missing: RoomAt[] = [];
    for (const { roomNid, pos } of wanted) {
      const window = this.#windows.get(roomNid);
      if (window?.hasState && window.hasDeltas(pos)) found.set(roomNid, window.stateAt(pos));
      else missing.push({ roomNid, pos });
    }
    if (missing.length === 0) return found;
    for (const [roomNid, state] of await this.store.state(missing)) {
      found.set(roomNid, state);
      const { pos } = missing.find((one) => one.roomNid === roomNid)!;
      const window = this.#windows.get(roomNid);
      if (!window || window.hasState || !window.hasDeltas(pos)) continue;
      const latest = new Map(state);
      advance(latest, window.deltas(pos, window.upTo));
      window.setState(latest);
    }
    return found;
  }

  /** All member events at the position of each room. */
  members(wanted: readonly RoomAt[]): Promise<Map<number, Map<string, number>>> {
    return wanted.length === 0 ? Promise.resolve(new Map()) : this.store.members(wanted);
  }

  /** Member events of some members at the position of each room; members without one are not in the map. */
  async someMembers(wanted: readonly (RoomAt & { userId: string })[]): Promise<Map<number, Map<string, number>>> {
    const found = new Map<number, Map<string, number>>(wanted.map(({ roomNid }) => [roomNid, new Map()]));
    const missing: (RoomAt & { userId: string })[] = [];
    for (const one of wanted) {
      const key = stateKeyOf('m.room.member', one.userId);
      const window = this.#windows.get(one.roomNid);
      if (window?.knowsMember(key) && window.hasDeltas(one.pos)) {
        const nid = window.memberAt(key, one.pos);
        if (nid !== null) found.get(one.roomNid)!.set(key, nid);
      } else missing.push(one);
    }
    if (missing.length === 0) return found;
    const read = await this.store.someMembers(missing);
    for (const { roomNid, pos, userId } of missing) {
      const key = stateKeyOf('m.room.member', userId);
      const nid = read.get(roomNid)!.get(key);
      if (nid !== undefined) found.get(roomNid)!.set(key, nid);
      const window = this.#windows.get(roomNid);
      if (!window?.hasDeltas(pos)) continue;
      const later = window.deltas(pos, window.upTo).findLast((delta) => delta.key === key);
      window.setMember(key, later ? later.nid : (nid ?? null));
    }
    return found;
  }

  /** Every change of the rooms' history visibility. */
  async visibilityHistory(roomNids: readonly number[]): Promise<Map<number, readonly StateDelta[]>> {
    const found = new Map<number, readonly StateDelta[]>();
    const missing = new Map<number, number>();
    for (const nid of roomNids) {
      const window = this.#windows.get(nid);
      if (window?.visibility) found.set(nid, window.visibility);
      else missing.set(nid, window?.upTo ?? Infinity);
    }
    if (missing.size === 0) return found;
    const read = await this.store.keyHistory([...missing.keys()], 'm.room.history_visibility', '');
    for (const [nid, deltas] of read) {
      found.set(nid, deltas);
      const upTo = missing.get(nid)!;
      const window = this.#windows.get(nid);
      if (!window?.hasDeltas(upTo)) continue;
      const later = window.deltas(upTo, window.upTo).filter((delta) => delta.key === VISIBILITY_KEY);
      window.setVisibility([...deltas.filter((delta) => delta.pos <= upTo), ...later]);
    }
    return found;
  }

  /** Every change of one member of each room. */
  memberHistory(roomNids: readonly number[], userId: string): Promise<Map<number, StateDelta[]>> {
    return roomNids.length === 0 ? Promise.resolve(new Map()) : this.store.keyHistory(roomNids, 'm.room.member', userId);
  }

  async #extend(roomNids: readonly number[], to: number): Promise<void> {
    const stretches = roomNids.map((roomNid) => ({ roomNid, after: this.#windows.get(roomNid)?.upTo ?? to, to }));
    const insertions = this.#insertions;
    const [rows, deltas] = await Promise.all([this.store.newest(stretches, EXTENSION), this.store.deltas(stretches)]);
    for (const { roomNid, after } of stretches) {
      const window = this.#windows.get(roomNid);
      if (window?.upTo !== after) continue;
      if (insertions !== this.#insertions) {
        this.#windows.delete(roomNid);
        continue;
      }
      const newRows = rows.get(roomNid)!;
      window.append(newRows, newRows.length < EXTENSION, deltas.get(roomNid)!, to);
    }
  }
}
