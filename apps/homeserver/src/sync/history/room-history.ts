import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { SnapshotsStore } from '../../rooms/state/snapshots.store.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { EventStatus } from '../../rooms/timeline/stored-event.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { EventFinder } from './event-finder.js';
import { type EventView, senderMembers } from './event-views.js';
import { HistoryCollector } from './history-collector.js';
import { SyncTokens } from '../sync-tokens.js';
import { parseRoomEventFilter } from './room-event-filter.js';
import { type RoomReader, RoomReaders } from './room-readers.js';
import { ViewTexts } from './view-texts.js';

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 1_000;
const MAX_CONTEXT = 100;

export interface MessagesQuery {
  readonly dir: 'b' | 'f';
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly limit?: number | undefined;
  /** JSON text of a RoomEventFilter. */
  readonly filter?: string | undefined;
}

export type ContextQuery = Pick<MessagesQuery, 'limit' | 'filter'>;

/** Reads the past of rooms for clients. Answers are JSON texts. */
@Injectable()
export class RoomHistoryReader {
  constructor(
    private readonly readers: RoomReaders,
    private readonly collector: HistoryCollector,
    private readonly finder: EventFinder,
    private readonly texts: ViewTexts,
    private readonly events: SyncEvents,
    private readonly stored: EventsStore,
    private readonly snapshots: SnapshotsStore,
    private readonly accountData: AccountData,
    private readonly tokens: SyncTokens,
  ) {}

  /** A page of a room's timeline (`GET /rooms/{roomId}/messages`). @throws 403 `M_FORBIDDEN`, 400 `M_INVALID_PARAM` */
  async messages(requester: Requester, roomId: string, query: MessagesQuery): Promise<string> {
    const matcher = parseRoomEventFilter(query.filter);
    const limit = Math.max(1, Math.min(query.limit ?? DEFAULT_LIMIT, matcher.filter.limit ?? MAX_LIMIT, MAX_LIMIT));
    const reader = await this.readers.of(requester.userId, roomId);
    const start = query.from === undefined || query.from === ''
      ? { pos: query.dir === 'b' ? reader.upTo : Number.MIN_SAFE_INTEGER, attempt: 0 }
      : await this.tokens.placeOf(query.from, query.dir);
    const startText = query.from || this.tokens.place(start.pos);
    if (matcher.blocksRoom(roomId)) return `{"start":${JSON.stringify(startText)},"chunk":[]}`;
    const ignored = await this.accountData.ignored(requester.userId);
    const wish = { reader, from: start.pos, limit, matcher, ignored, ...(query.to ? { to: (await this.tokens.placeOf(query.to, query.dir === 'b' ? 'f' : 'b')).pos } : {}) };
    const { views, end, isPending } = query.dir === 'b' ? await this.collector.back(wish, 'fill') : await this.collector.forward(wish);
    const texts = await this.texts.for(requester, [{ reader, views }]);
    const parts = [`"start":${JSON.stringify(startText)}`, `"chunk":${list(views.map((view) => texts.view(view, roomId)))}`];
    if (end !== null) parts.push(`"end":"${this.tokens.place(end, isPending ? start.attempt + 1 : 0)}"`);
    if (matcher.filter.lazy_load_members) parts.push(`"state":${list(senderMembers(views).map((event) => texts.state(event, roomId)))}`);
    return `{${parts.join(',')}}`;
  }

  /** One event (`GET /rooms/{roomId}/event/{eventId}`). @throws 404 `M_NOT_FOUND` also for what the reader may not see */
  async event(requester: Requester, roomId: string, eventId: string): Promise<string> {
    const reader = await this.finder.reader(requester.userId, roomId);
    const stored = await this.stored.byId(roomId, eventId);
    // An event of the state with which this server came into the room has no place in its timeline.
    if (stored?.status === EventStatus.outlier && isCurrentState(reader, stored.event.pdu.type, stored.stateKey, stored.nid)) {
      const event = (await this.events.load([stored.nid])).get(stored.nid);
      if (event) return (await this.texts.for(requester, [])).state(event, roomId);
    }
    const view = await this.finder.visible(reader, eventId);
    return (await this.texts.for(requester, [{ reader, views: [view] }])).view(view, roomId);
  }

  /** One event of whatever room (`GET /events/{eventId}`, deprecated). @throws 404 `M_NOT_FOUND` */
  async eventAnywhere(requester: Requester, eventId: string): Promise<string> {
    const roomId = await this.stored.roomOf(eventId);
    if (roomId === undefined) throw MatrixError.notFound('No such event, or not one for you');
    return this.event(requester, roomId, eventId);
  }

  /** An event with those around it (`GET /rooms/{roomId}/context/{eventId}`). @throws 404 `M_NOT_FOUND` */
  async context(requester: Requester, roomId: string, eventId: string, query: ContextQuery): Promise<string> {
    const matcher = parseRoomEventFilter(query.filter);
    const limit = Math.min(query.limit ?? DEFAULT_LIMIT, matcher.filter.limit ?? MAX_CONTEXT, MAX_CONTEXT);
    const reader = await this.finder.reader(requester.userId, roomId);
    const view = await this.finder.visible(reader, eventId);
    const base = { reader, matcher, ignored: await this.accountData.ignored(requester.userId) };
    const [older, newer] = [Math.floor(limit / 2), Math.ceil(limit / 2)];
    const isBlocked = matcher.blocksRoom(roomId);
    const [before, after] = await Promise.all([
      older === 0 || isBlocked ? [] : this.collector.back({ ...base, from: view.pos - 1, limit: older }, 'stop').then((found) => found.views),
      newer === 0 || isBlocked ? [] : this.collector.forward({ ...base, from: view.pos, limit: newer }).then((found) => found.views),
    ]);
    const shown = [...before, view, ...after];
    const state = matcher.filter.lazy_load_members ? senderMembers(shown) : await this.#stateAfter(reader, after.at(-1) ?? view);
    const texts = await this.texts.for(requester, [{ reader, views: shown }]);
    const chunk = (views: readonly EventView[]) => list(views.map((one) => texts.view(one, roomId)));
    return `{"start":"${this.tokens.place((before.at(-1) ?? view).pos - 1)}","end":"${this.tokens.place((after.at(-1) ?? view).pos)}"`
      + `,"event":${texts.view(view, roomId)},"events_before":${chunk(before)},"events_after":${chunk(after)}`
      + `,"state":${list(state.filter((event) => matcher.passes(event)).map((event) => texts.state(event, roomId)))}}`;
  }

  /** The whole state after an event. */
  async #stateAfter({ room }: RoomReader, { event, stateNid }: EventView): Promise<SyncEvent[]> {
    const before = await this.snapshots.load(stateNid);
    const state = [...(await this.events.load(before.shown(room.rules).values())).values()];
    if (event.stateKey === null) return state;
    return [...state.filter((one) => one.type !== event.type || one.stateKey !== event.stateKey), event];
  }
}

function isCurrentState({ room, isJoined }: RoomReader, type: string, stateKey: string | null, nid: number): boolean {
  return isJoined && stateKey !== null && room.state.entry(type, stateKey)?.nid === nid;
}

function list(texts: readonly string[]): string {
  return `[${texts.join(',')}]`;
}
