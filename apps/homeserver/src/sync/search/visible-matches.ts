import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import { MatrixError } from '../../errors/matrix-error.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { type EventPlace, SearchMatchesStore, type TextMatch } from '../../search/search-matches.store.js';
import type { EventMatcher } from '../filter/event-matcher.js';
import { type EventView, EventViews } from '../history/event-views.js';
import { type RoomReader, RoomReaders } from '../history/room-readers.js';

/** What was found, as somebody sees it. */
export interface FoundEvent {
  readonly match: TextMatch;
  readonly reader: RoomReader;
  readonly view: EventView;
}

/** Somebody who searches. */
export interface Searcher {
  readonly userId: string;
  readonly rooms: ReadonlyMap<number, RoomMembership>;
  readonly matcher: EventMatcher;
  /** By room; filled while he searches. */
  readonly readers: Map<number, RoomReader | null>;
}

/** A match whose text is visible, and where the event stands that is shown for it. */
export interface SeenMatch {
  readonly match: TextMatch;
  readonly reader: RoomReader;
  readonly row: { readonly nid: number; readonly pos: number; readonly stateNid: number | null };
}

/** Leaves of what was found what its finder may see. */
@Injectable()
export class VisibleMatches {
  constructor(
    private readonly store: SearchMatchesStore,
    private readonly readers: RoomReaders,
    private readonly views: EventViews,
    private readonly accountData: AccountData,
  ) {}

  /**
   * The matches of which the searcher may know, in the same order: he may see the text, which may be an edit's, and the event that is shown. Even how
   * many there are of the others would tell what is said where he is not. Three queries at most, whatever their number; a few more for each room that was left.
   */
  async seen(searcher: Searcher, matches: readonly TextMatch[]): Promise<SeenMatch[]> {
    const places = await this.store.places([...new Set(matches.flatMap((match) => [match.nid, match.shownNid]))]);
    const found: { match: TextMatch; reader: RoomReader; rows: readonly EventPlace[] }[] = [];
    for (const match of matches) {
      const rows = [places.get(match.shownNid), places.get(match.nid)].filter((row) => row !== undefined);
      const reader = rows.length === 2 ? await this.#reader(searcher, match.roomNid) : null;
      if (reader) found.push({ match, reader, rows });
    }
    const visible = await this.views.areVisible(found.flatMap(({ reader, rows }) => rows.map((row) => ({ reader, row }))));
    return found.flatMap(({ match, reader, rows }, i) => (visible[2 * i] && visible[2 * i + 1] ? [{ match, reader, row: rows[0]! }] : []));
  }

  /** Those that are shown, in the same order. A few queries, whatever their number. */
  async shown(searcher: Searcher, seen: readonly SeenMatch[]): Promise<FoundEvent[]> {
    const ignored = await this.accountData.ignored(searcher.userId);
    return (await this.views.ofEach(seen)).flatMap((view, index) => {
      const isShown = view?.isVisible && view.event.redactedBy === null && searcher.matcher.passes(view.event) && !(view.event.stateKey === null && ignored.has(view.event.sender));
      return isShown ? [{ match: seen[index]!.match, reader: seen[index]!.reader, view }] : [];
    });
  }

  async #reader({ userId, rooms, readers }: Searcher, roomNid: number): Promise<RoomReader | null> {
    let reader = readers.get(roomNid);
    if (reader === undefined) {
      const room = rooms.get(roomNid);
      reader = room ? await this.readers.of(userId, room.roomId).catch(orNobody) : null;
      readers.set(roomNid, reader);
    }
    return reader;
  }
}

function orNobody(error: unknown): null {
  if (error instanceof MatrixError && error.status === 403) return null;
  throw error;
}
