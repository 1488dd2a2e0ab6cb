import { Injectable } from '@nestjs/common';
import { canonicalJson, type Pdu, redactPdu, type RoomVersionRules } from '#federation';
import { parseStoredJson } from '#json';
import { AccountData } from '../../account-data/account-data.js';
import type { Requester } from '../../accounts/requester.js';
import { ChildrenStore } from '../relations/children.store.js';
import { SyncEvent } from '../rooms/sync-event.js';
import { SyncTokens } from '../sync-tokens.js';
import { type EventView, EventViews } from './event-views.js';
import { type RoomReader, RoomReaders } from './room-readers.js';
import { ViewTexts } from './view-texts.js';

const DEFAULT_LIMIT = 20;
/** Of an answer: each thread is an event of up to 64 KiB with another one beside it. */
const MAX_LIMIT = 100;
/** Reads of an answer, where the reader may not see what is found. */
const MAX_PAGES = 10;

export interface ThreadsQuery {
  readonly include?: 'all' | 'participated' | undefined;
  readonly from?: string | undefined;
  readonly limit?: number | undefined;
}

/** Lists the threads of rooms (Client-Server, "Querying threads in a room"). */
@Injectable()
export class RoomThreads {
  constructor(
    private readonly readers: RoomReaders,
    private readonly children: ChildrenStore,
    private readonly views: EventViews,
    private readonly texts: ViewTexts,
    private readonly accountData: AccountData,
    private readonly tokens: SyncTokens,
  ) {}

  /**
   * A page of the events with which threads begin, those with the newest replies first, as JSON text.
   *
   * @throws MatrixError 403 M_FORBIDDEN, 400 M_INVALID_PARAM for tokens
   */
  async page(requester: Requester, roomId: string, query: ThreadsQuery): Promise<string> {
    const reader = await this.readers.of(requester.userId, roomId);
    const from = query.from ? (await this.tokens.placeOf(query.from, 'b')).pos : Infinity;
    const limit = Math.max(1, Math.min(query.limit ?? DEFAULT_LIMIT, MAX_LIMIT));
    const ignored = await this.accountData.ignored(requester.userId);
    const participant = query.include === 'participated' ? requester.userId : null;
    const { found, end } = await this.#collect(reader, from, participant, limit);
    const shown = found.map((view) => (ignored.has(view.event.sender) ? { ...view, event: redacted(view.event, reader.room.rules) } : view));
    const texts = await this.texts.for(requester, [{ reader, views: shown }]);
    const next = end === null ? '' : `,"next_batch":"${this.tokens.place(end)}"`;
    return `{"chunk":[${shown.map((view) => texts.view(view, roomId)).join(',')}]${next}}`;
  }

  /** @returns `end` is the place to go on at; null where nothing follows */
  async #collect(reader: RoomReader, from: number, participant: string | null, limit: number): Promise<{ found: EventView[]; end: number | null }> {
    const found: EventView[] = [];
    let next = from;
    for (let page = 0; page < MAX_PAGES; page++) {
      const size = limit - found.length;
      // One more than there is place for says whether anything follows.
      const rows = await this.children.threads(reader.room.nid, next, reader.upTo, participant, size + 1);
      const roots = rows.slice(0, size).flatMap(({ root }) => root ?? []);
      found.push(...(await this.views.of(reader, roots)).filter((view) => view.isVisible && view.pos <= reader.upTo));
      if (rows.length <= size) return { found, end: null };
      next = rows[size - 1]!.latest - 1;
      if (found.length === limit) break;
    }
    return { found, end: next };
  }
}

/** An event of an ignored sender as a thread shows it: clients that gather threads by themselves see no more of it either. */
function redacted(event: SyncEvent, rules: RoomVersionRules): SyncEvent {
  return new SyncEvent({
    event_nid: event.nid, room_nid: event.roomNid, event_id: event.eventId, type: event.type, state_key: event.stateKey, sender: event.sender,
    origin_server_ts: event.originServerTs, is_own: event.isOwn, device_id: event.deviceId, client_txn: event.clientTxn,
    json: canonicalJson(redactPdu(parseStoredJson(event.json) as Pdu, rules)), redacted_by: null, is_parent: event.isParent,
  });
}
