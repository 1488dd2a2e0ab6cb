import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import { MatrixError } from '../../errors/matrix-error.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { SearchMatchesStore, type TextMatch } from '../../search/search-matches.store.js';
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

/** Leaves of what was found what its finder may see. */
@Injectable()
export class VisibleMatches {
  constructor(
    private readonly store: SearchMatchesStore,
    private readonly readers: RoomReaders,
    private readonly views: EventViews,
    private readonly accountData: AccountData,
  ) {}

  /** In the same order. A few queries, whatever their number; a few more for each room that was left. */
  async of(searcher: Searcher, matches: readonly TextMatch[]): Promise<FoundEvent[]> {
    const places = await this.store.places(matches.map((match) => match.shownNid));
    const seen: { match: TextMatch; reader: RoomReader; row: { nid: number; pos: number; stateNid: number | null } }[] = [];
    for (const match of matches) {
      const row = places.get(match.shownNid);
      const reader = row && (await this.#reader(searcher, row.roomNid));
      if (row && reader && row.pos <= reader.upTo) seen.push({ match, reader, row });
    }
    const ignored = await this.accountData.ignored(searcher.userId);
    return (await this.views.ofEach(seen)).flatMap((view, index) => {
      const isShown = view?.isVisible && view.event.redactedBy === null && searcher.matcher.passes(view.event) && !(view.event.stateKey === null && ignored.has(view.event.sender));
      return isShown ? [{ ...seen[index]!, view }] : [];
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
