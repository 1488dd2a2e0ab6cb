import { Injectable } from '@nestjs/common';
import type { EventMatcher } from '../filter/event-matcher.js';
import type { TimelineRow } from './room-log.js';
import { RoomWindows } from './room-windows.js';
import type { SyncEvent } from './sync-event.js';
import { SyncEvents } from './sync-events.js';

/** Rows per page, and pages, that are looked at where a filter or the history visibility leaves out events. */
const PAGE = 50;
const MAX_PAGES = 10;

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

/** Gathers the timelines of many rooms, page by page, each page one read for all rooms that still need one. */
@Injectable()
export class TimelineCollector {
  constructor(
    private readonly windows: RoomWindows,
    private readonly events: SyncEvents,
  ) {}

  /** @param ignored senders whose messages (not state) are left out */
  async collect(
    wishes: readonly TimelineWish[], limit: number, matcher: EventMatcher, ignored: ReadonlySet<string>,
  ): Promise<Map<number, CollectedTimeline>> {
    const searches = wishes.map((wish): Search => {
      const isBlocked = matcher.blocksRoom(wish.roomId);
      return { wish, found: [], unseen: 0, before: wish.to, isDone: isBlocked, limited: false };
    });
    const isPlain = matcher.passesAll && ignored.size === 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const open = searches.filter((search) => !search.isDone);
      if (open.length === 0) break;
      const size = isPlain && page === 0 ? limit + 1 : Math.max(limit + 1, PAGE);
      await this.#turnPage(open, size, limit, matcher, ignored);
    }
    return new Map(searches.map((search) => [search.wish.roomNid, timelineOf(search, limit)]));
  }

  async #turnPage(
    open: readonly Search[], size: number, limit: number, matcher: EventMatcher, ignored: ReadonlySet<string>,
  ): Promise<void> {
    const stretches = open.map(({ wish, before }) => ({ roomNid: wish.roomNid, after: wish.after, to: before }));
    const pages = matcher.passesAll
      ? await this.windows.rows(stretches, size)
      : await this.windows.filteredRows(stretches, size, matcher.sql);
    const events = await this.events.load([...pages.values()].flatMap((rows) => rows.map((row) => row.nid)));
    await this.events.lookForGaps([...events.values()], [...pages.keys()]);
    for (const search of open) take(search, pages.get(search.wish.roomNid)!, events, size, limit, matcher, ignored);
  }
}

/** Takes what may be shown from a page, newest first. */
function take(
  search: Search, rows: readonly TimelineRow[], events: ReadonlyMap<number, SyncEvent>, size: number, limit: number,
  matcher: EventMatcher, ignored: ReadonlySet<string>,
): void {
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
  if (rows.length < size) search.isDone = true;
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
