import { Injectable } from '@nestjs/common';
import type { EventMatcher } from '../filter/event-matcher.js';
import { byteShare, fittingCount } from './byte-shares.js';
import type { TimelineRow } from './room-log.js';
import { RoomWindows } from './room-windows.js';
import type { SyncEvent } from './sync-event.js';
import { SyncEvents } from './sync-events.js';

/** Rows per page, and pages, that are looked at where a filter or the history visibility leaves out events. */
const PAGE = 50;
const MAX_PAGES = 10;
/** Bytes of events that are looked at together, of one room at least. */
const BATCH_BYTES = 4 * 1024 * 1024;

/** A timeline that is wanted: the newest events with `after < pos <= to` that may be shown. */
export interface TimelineWish {
  readonly roomNid: number;
  readonly roomId: string;
  readonly after: number;
  readonly to: number;
  /** What the reader may see; undefined means everything. */
  readonly isVisible?: (event: SyncEvent, pos: number) => boolean;
  /**
   * Events that the reader has seen elsewhere. They are left out where the timeline goes on from what the reader has, and are in one
   * that begins anew, because that takes the place of what the reader has.
   */
  readonly exclude?: ReadonlySet<string>;
}

export interface TimelineEntry {
  readonly event: SyncEvent;
  readonly pos: number;
}

export interface CollectedTimeline {
  /** Oldest first. */
  readonly entries: readonly TimelineEntry[];
  /** True when there is more between `after` and the first entry. */
  readonly limited: boolean;
  /** Position of the first entry; of what follows the stretch where there is none. */
  readonly start: number;
}

interface Search {
  readonly wish: TimelineWish;
  /** Newest first, with those that the reader has seen. */
  readonly found: TimelineEntry[];
  /** How many of them the reader has not seen. */
  unseen: number;
  /** Rows up to here are still to be looked at. */
  before: number;
  isDone: boolean;
  limited: boolean;
}

/** What is asked of all rooms alike. */
interface Terms {
  readonly limit: number;
  readonly matcher: EventMatcher;
  /** Senders whose messages (not state) are left out. */
  readonly ignored: ReadonlySet<string>;
  /** Bytes of all timelines together. Where they are more, the longest ones end earlier, limited. */
  readonly maxBytes: number;
}

/** Gathers the timelines of many rooms, page by page, each page one read for all rooms that still need one. */
@Injectable()
export class TimelineCollector {
  constructor(
    private readonly windows: RoomWindows,
    private readonly events: SyncEvents,
  ) {}

  async collect(wishes: readonly TimelineWish[], terms: Terms): Promise<Map<number, CollectedTimeline>> {
    const { limit, matcher, ignored } = terms;
    const searches = wishes.map((wish): Search => {
      const isBlocked = matcher.blocksRoom(wish.roomId);
      return { wish, found: [], unseen: 0, before: wish.to, isDone: isBlocked, limited: false };
    });
    const isPlain = matcher.passesAll && ignored.size === 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const open = searches.filter((search) => !search.isDone);
      if (open.length === 0) break;
      const size = isPlain && page === 0 ? limit + 1 : Math.max(limit + 1, PAGE);
      await this.#turnPage(open, searches, size, terms);
    }
    return new Map(searches.map((search) => [search.wish.roomNid, timelineOf(search, limit)]));
  }

  async #turnPage(open: readonly Search[], all: readonly Search[], size: number, terms: Terms): Promise<void> {
    const { matcher, maxBytes } = terms;
    const stretches = open.map(({ wish, before }) => ({ roomNid: wish.roomNid, after: wish.after, to: before }));
    const pages = matcher.passesAll
      ? await this.windows.rows(stretches, size)
      : await this.windows.filteredRows(stretches, size, matcher.sql);
    for (const batch of batches(open, pages, maxBytes, size)) {
      const events = await this.events.load(batch.flatMap(({ rows }) => rows.map((row) => row.nid)));
      await this.events.lookForGaps([...events.values()], batch.map(({ search }) => search.wish.roomNid));
      for (const part of batch) if (!part.search.isDone) take(part, events, terms);
      shorten(all, maxBytes);
    }
  }
}

/** A part of a room's timeline that is looked at. */
interface Page {
  readonly search: Search;
  readonly rows: readonly TimelineRow[];
  /** Whether there is nothing before it. */
  readonly isLast: boolean;
}

/** Pages of as many rooms as are looked at together. */
function batches(open: readonly Search[], pages: ReadonlyMap<number, readonly TimelineRow[]>, maxBytes: number, size: number): Page[][] {
  const found: Page[][] = [];
  let bytes = Infinity;
  for (const search of open) {
    const all = pages.get(search.wish.roomNid)!;
    const count = fittingCount(newestFirst(all), maxBytes);
    const rows = count < all.length ? all.slice(all.length - Math.max(1, count)) : all;
    const own = rows.reduce((sum, row) => sum + row.bytes, 0);
    if (bytes + own > BATCH_BYTES) {
      found.push([]);
      bytes = 0;
    }
    found.at(-1)!.push({ search, rows, isLast: rows === all && all.length < size });
    bytes += own;
  }
  return found;
}

function* newestFirst(rows: readonly TimelineRow[]): Generator<number> {
  for (let i = rows.length - 1; i >= 0; i--) yield rows[i]!.bytes;
}

/** Ends the longest timelines where all together have no place any more. */
function shorten(searches: readonly Search[], maxBytes: number): void {
  const share = byteShare(searches.map((search) => bytesOf(search.found)), maxBytes);
  if (share === Infinity) return;
  for (const search of searches) {
    const count = fittingCount(search.found.map(({ event }) => event.json.length), share);
    if (count === search.found.length) continue;
    search.found.length = count;
    search.limited = true;
    search.isDone = true;
  }
}

function bytesOf(found: readonly TimelineEntry[]): number {
  return found.reduce((sum, { event }) => sum + event.json.length, 0);
}

/** Takes what may be shown from a page, newest first. */
function take({ search, rows, isLast }: Page, events: ReadonlyMap<number, SyncEvent>, { limit, matcher, ignored }: Terms): void {
  const { wish, found } = search;
  for (const row of rows.toReversed()) {
    const event = events.get(row.nid);
    if (!event) continue;
    const isShown = matcher.passes(event) && !(event.stateKey === null && ignored.has(event.sender))
      && (wish.isVisible?.(event, row.pos) ?? true);
    const isSeen = wish.exclude?.has(event.eventId) ?? false;
    if (isShown && !isSeen && search.unseen === limit) {
      search.limited = true;
      search.isDone = true;
      return;
    }
    if (isShown) found.push({ event, pos: row.pos });
    if (isShown && !isSeen) search.unseen++;
    // A reader who has seen the event has seen what came before it.
    if ((event.gapPos ?? 0) > wish.after && !isSeen) {
      // Events before it are not what happened right before it: the client has to ask for the gap.
      search.limited = true;
      search.isDone = true;
      return;
    }
  }
  if (isLast) search.isDone = true;
  else {
    search.before = rows[0]!.pos - 1;
    // True if the search ends here.
    search.limited = true;
  }
  if (search.isDone) search.limited = false;
}

function timelineOf({ wish, found, limited }: Search, limit: number): CollectedTimeline {
  const entries = (limited ? found.slice(0, limit) : found.filter(({ event }) => !wish.exclude?.has(event.eventId))).toReversed();
  return { entries, limited, start: entries[0]?.pos ?? wish.to + 1 };
}
