import { Injectable } from '@nestjs/common';
import { clientEventJson } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { atMost } from '../../observability/at-most.js';
import { RoomAccess } from '../../rooms/timeline/room-access.js';
import { SearchIndexer } from '../../search/search-indexer.js';
import { SearchMatchesStore, type TextQuery } from '../../search/search-matches.store.js';
import { TextKey } from '../../search/indexed-text.js';
import { EventMatcher } from '../filter/event-matcher.js';
import type { EventView } from '../history/event-views.js';
import { ViewTexts } from '../history/view-texts.js';
import { bytesAround, EventContexts, type FoundContext } from './event-contexts.js';
import { EventSearch } from './event-search.js';
import { readSearchToken, searchToken } from './search-place.js';
import type { GroupKey, RoomEventsSearch, SearchOrder } from './search-request.js';
import { SearchedRooms } from './searched-rooms.js';
import type { FoundEvent } from './visible-matches.js';

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 50;
/** Who searches for what he has just sent waits so long for the index. */
const INDEX_MS = 10_000;
/** Bytes of one answer: of what is around the events that were found, and of the states of their rooms. */
const MAX_AROUND_BYTES = 4 * 1024 * 1024;
const MAX_STATE_BYTES = 16 * 1024 * 1024;
const KEYS = { 'content.body': TextKey.body, 'content.name': TextKey.name, 'content.topic': TextKey.topic } as const;

/** Answers `POST /search` (client-server/search.yaml): what it says of the events of rooms, as JSON text. */
@Injectable()
export class SearchAnswers {
  constructor(
    private readonly indexer: SearchIndexer,
    private readonly search: EventSearch,
    private readonly rooms: SearchedRooms,
    private readonly contexts: EventContexts,
    private readonly texts: ViewTexts,
    private readonly matches: SearchMatchesStore,
    private readonly access: RoomAccess,
    private readonly clock: Clock,
  ) {}

  /**
   * @param nextBatch token of the page before
   * @throws MatrixError 400 M_INVALID_PARAM
   */
  async roomEvents(requester: Requester, wish: RoomEventsSearch, nextBatch: string | undefined): Promise<string> {
    const after = nextBatch === undefined || nextBatch === '' ? undefined : readSearchToken(nextBatch);
    const matcher = new EventMatcher(wish.filter ?? {});
    await atMost(this.indexer.caughtUp(), INDEX_MS, undefined);
    const rooms = await this.rooms.of(requester.userId, matcher);
    const order: SearchOrder = wish.order_by ?? 'rank';
    const searcher = { userId: requester.userId, rooms, matcher: new EventMatcher({ ...wish.filter, rooms: undefined }), readers: new Map() };
    const [groupKey, groupValue] = after?.group ?? [];
    const query: TextQuery = {
      term: wish.search_term,
      keys: (wish.keys ?? (Object.keys(KEYS) as (keyof typeof KEYS)[])).map((key) => KEYS[key]),
      roomNids: [...rooms.values()].filter((room) => groupKey !== 'room_id' || room.roomId === groupValue).map((room) => room.roomNid),
      senders: groupKey === 'sender' ? [groupValue!] : wish.filter?.senders,
    };
    const limit = Math.max(1, Math.min(wish.filter?.limit ?? DEFAULT_LIMIT, MAX_LIMIT));
    const { found, count, end } = await this.search.page({ ...query, order, limit, after }, searcher);
    const place = end && { ts: end.ts, nid: end.nid, ...(order === 'rank' ? { rank: end.rank } : {}) };
    const parts = [
      `"count":${count}`,
      `"highlights":${JSON.stringify(await this.matches.words(wish.search_term, found.map(({ view }) => textOf(view))))}`,
      `"results":[${(await this.#results(requester, found, wish)).join(',')}]`,
    ];
    if (place) parts.push(`"next_batch":"${searchToken({ ...place, group: after?.group })}"`);
    if (wish.include_state) parts.push(`"state":${await this.#states(requester.userId, found)}`);
    const groups = wish.groupings?.group_by ?? [];
    if (groups.length > 0) parts.push(`"groups":${JSON.stringify(Object.fromEntries(groups.map(({ key }) => [key, groupsOf(key, found, order, end !== undefined)])))}`);
    return `{${parts.join(',')}}`;
  }

  async #results(requester: Requester, found: readonly FoundEvent[], { event_context: wish }: RoomEventsSearch): Promise<string[]> {
    const contexts = new Map<FoundEvent, FoundContext>();
    let left = MAX_AROUND_BYTES;
    for (const one of wish ? found : []) {
      const context = await this.contexts.of(one, wish!, left);
      left -= bytesAround(context);
      contexts.set(one, context);
    }
    const texts = await this.texts.for(requester, found.map((one) => {
      const { before = [], after = [] } = contexts.get(one) ?? {};
      return { reader: one.reader, views: [one.view, ...before, ...after] };
    }));
    return found.map((one) => {
      const roomId = one.reader.room.id;
      const list = (views: readonly EventView[]): string => `[${views.map((view) => texts.view(view, roomId)).join(',')}]`;
      const { before = [], after = [], start, end, profiles } = contexts.get(one) ?? {};
      const around = wish
        ? `,"context":{"start":"${start}","end":"${end}","events_before":${list(before)},"events_after":${list(after)}${profiles ? `,"profile_info":${JSON.stringify(profiles)}` : ''}}`
        : '';
      return `{"rank":${one.match.rank},"result":${texts.view(one.view, roomId)}${around}}`;
    });
  }

  /** The present state of each room, for who left it the one when he did; of as many rooms as have a place. */
  async #states(userId: string, found: readonly FoundEvent[]): Promise<string> {
    const states: string[] = [];
    let bytes = 0;
    for (const roomId of new Set(found.map(({ reader }) => reader.room.id))) {
      const state = await this.access.visibleState(userId, roomId).catch(orNothing);
      if (!state) continue;
      const texts = (await state.all()).map((event) => clientEventJson(event, { unsigned: `{"age":${this.clock.now() - event.pdu.origin_server_ts}}` }));
      bytes += texts.reduce((sum, text) => sum + text.length, 0);
      if (bytes > MAX_STATE_BYTES && states.length > 0) break;
      states.push(`${JSON.stringify(roomId)}:[${texts.join(',')}]`);
    }
    return `{${states.join(',')}}`;
  }
}

/** What was found, by room or sender, in the order in which they come first. */
function groupsOf(key: GroupKey, found: readonly FoundEvent[], order: SearchOrder, hasMore: boolean): object {
  const groups = new Map<string, { results: string[]; order: number; next_batch?: string }>();
  for (const { reader, view, match } of found) {
    const value = key === 'room_id' ? reader.room.id : view.event.sender;
    const group = groups.get(value) ?? { results: [], order: groups.size + 1 };
    groups.set(value, group);
    group.results.push(view.event.eventId);
    if (hasMore) group.next_batch = searchToken({ ts: match.ts, nid: match.nid, ...(order === 'rank' ? { rank: match.rank } : {}), group: [key, value] });
  }
  return Object.fromEntries(groups);
}

/** Who was banned sees what he could see, and no state. */
function orNothing(error: unknown): null {
  if (error instanceof MatrixError && error.status === 403) return null;
  throw error;
}

/** The text of an event that was found, or what it was before an edit. */
function textOf({ event: { content } }: EventView): string {
  return ['body', 'name', 'topic'].map((key) => content[key]).filter((value) => typeof value === 'string').join(' ');
}
