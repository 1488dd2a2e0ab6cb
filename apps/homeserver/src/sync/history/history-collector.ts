import { Injectable } from '@nestjs/common';
import { Backfiller } from '../../rooms/history/backfiller.js';
import { type Gap, HistoryStore } from '../../rooms/history/history.store.js';
import { Clock } from '../../observability/clock.js';
import type { EventMatcher } from '../filter/event-matcher.js';
import { atMost } from '../../observability/at-most.js';
import { type EventView, EventViews } from './event-views.js';
import { fittingCount } from '../rooms/byte-shares.js';
import { type HistoryRow, HistoryRowsStore, type HistoryStretch } from './history-rows.store.js';
import type { RoomReader } from './room-readers.js';

/** Rows that are read at once where a filter or the visibility may leave some out, and how often. */
const PAGE = 100;
const MAX_PAGES = 25;
/** Bytes of events that are looked at together, and that are found in all: an answer ends there. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Who pages waits this long for events from other servers. */
const FILL_MS = 10_000;

export interface HistoryWish {
  readonly reader: RoomReader;
  /** The place to start at. */
  readonly from: number;
  /** The place not to go beyond; undefined where there is none. */
  readonly to?: number;
  readonly limit: number;
  readonly matcher: EventMatcher;
  /** Senders whose messages (not state) are left out. */
  readonly ignored: ReadonlySet<string>;
}

export interface CollectedHistory {
  /** In the direction of the walk. */
  readonly views: readonly EventView[];
  /** Where to go on; null at the end of what there is. */
  readonly end: number | null;
  /** True when the walk stopped because events below `end` are still being fetched. */
  readonly isPending: boolean;
}

/** Walks through a room's timeline and collects what a reader may see. */
@Injectable()
export class HistoryCollector {
  constructor(
    private readonly rows: HistoryRowsStore,
    private readonly views: EventViews,
    private readonly history: HistoryStore,
    private readonly backfiller: Backfiller,
    private readonly clock: Clock,
  ) {}

  /**
   * Newer to older.
   *
   * @param gaps `fill` fetches what is missing from other servers before going on, or passes over it when nobody has it;
   *   `stop` ends the walk there
   */
  async back(wish: HistoryWish, gaps: 'fill' | 'stop'): Promise<CollectedHistory> {
    const { reader, limit, matcher } = wish;
    const { nid: roomNid } = reader.room;
    const to = wish.to ?? -Infinity;
    const deadline = this.clock.steady() + FILL_MS;
    const found: EventView[] = [];
    const passed = new Set<number>();
    let known = await this.history.ofRoom(roomNid);
    let before = Math.min(wish.from, reader.upTo);
    let bytes = 0;
    const done = (end: number | null, isPending = false): CollectedHistory => ({ views: found, end, isPending });
    for (let page = 0; page < MAX_PAGES; page++) {
      const gap = known.find(({ childPos }) => childPos <= before + 1 && !passed.has(childPos));
      const floor = Math.max(to, gap ? gap.childPos - 1 : -Infinity);
      const size = Math.max(limit - found.length + 1, PAGE);
      const { rows, isLast } = await this.#rows('b', { roomNid, after: floor, upTo: before }, size, matcher);
      for (const view of await this.views.of(reader, rows)) {
        if (!isShown(wish, view)) continue;
        bytes += view.event.json.length;
        if (bytes > MAX_BYTES && found.length > 0) return done(view.pos);
        found.push(view);
        if (found.length < limit) continue;
        const isEnd = isLast && view.pos === rows.at(-1)!.pos && (!gap || floor === to);
        return done(isEnd ? null : view.pos - 1);
      }
      if (!isLast) {
        before = rows.at(-1)!.pos - 1;
        continue;
      }
      if (!gap || floor === to) return done(null);
      before = gap.childPos - 1;
      if (gaps === 'stop') return done(before);
      const outcome = reader.isJoined ? await this.#fill(reader, gap, deadline) : 'failed';
      if (outcome === 'pending') return done(before, true);
      if (outcome === 'filled') known = await this.history.ofRoom(roomNid);
      else passed.add(gap.childPos);
    }
    return done(before);
  }

  /** Older to newer. Gaps are passed over: what would be fetched is what is right before the next event, not what comes next. */
  async forward(wish: HistoryWish): Promise<CollectedHistory> {
    const { reader, limit, matcher } = wish;
    const upTo = Math.min(wish.to ?? Infinity, reader.upTo);
    const found: EventView[] = [];
    let after = wish.from;
    let bytes = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const size = Math.max(limit - found.length, PAGE);
      const { rows, isLast } = await this.#rows('f', { roomNid: reader.room.nid, after, upTo }, size, matcher);
      for (const view of await this.views.of(reader, rows)) {
        if (!isShown(wish, view)) continue;
        bytes += view.event.json.length;
        if (bytes > MAX_BYTES && found.length > 0) return { views: found, end: found.at(-1)!.pos, isPending: false };
        found.push(view);
        if (found.length === limit) return { views: found, end: view.pos, isPending: false };
      }
      if (isLast) return { views: found, end: found.at(-1)?.pos ?? null, isPending: false };
      after = rows.at(-1)!.pos;
    }
    return { views: found, end: after, isPending: false };
  }

  /** The first rows of a stretch, as many as may be looked at together; `isLast` when there are no more. */
  async #rows(dir: 'b' | 'f', stretch: HistoryStretch, size: number, { sql }: EventMatcher): Promise<{ rows: readonly HistoryRow[]; isLast: boolean }> {
    if (stretch.after >= stretch.upTo) return { rows: [], isLast: true };
    const rows = await this.rows.read(dir, stretch, size, sql);
    const count = Math.max(1, fittingCount(rows.map((row) => row.bytes), MAX_BYTES));
    return { rows: rows.slice(0, count), isLast: rows.length < size && count >= rows.length };
  }

  async #fill({ room }: RoomReader, gap: Gap, deadline: number): Promise<'filled' | 'failed' | 'pending'> {
    const filling = this.backfiller.fill(room, gap).then(({ isFilled }) => (isFilled ? 'filled' as const : 'failed' as const));
    return atMost(filling, Math.max(0, deadline - this.clock.steady()), 'pending' as const);
  }
}

function isShown({ matcher, ignored }: HistoryWish, { event, isVisible }: EventView): boolean {
  return isVisible && matcher.passes(event) && !(event.stateKey === null && ignored.has(event.sender));
}
