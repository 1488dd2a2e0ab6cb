import { Injectable } from '@nestjs/common';
import { AccountData, type AccountDataEvent } from '../../account-data/account-data.js';
import { receiptContent } from '../../ephemeral/receipt-content.js';
import { ReceiptsStore, type ReceiptRow } from '../../ephemeral/receipts.store.js';
import { TypingUsers } from '../../ephemeral/typing-users.js';
import type { EventMatcher } from '../filter/event-matcher.js';
import type { SyncPositions } from '../sync-token.js';
import type { AnswerPlan } from './room-plan.js';
import type { AnswerMoment, SyncRequest } from './sync-request.js';

/** Receipts of one room that one answer holds: the reader's own and the newest. */
const MAX_RECEIPTS = 1_000;

/** What stands in an answer for a room besides its events. JSON texts of the events. */
export interface RoomExtras {
  readonly ephemeral: readonly string[];
  readonly accountData: readonly string[];
}

/** Reads typing, receipts and account data of all joined rooms; no query for what the reader's positions say is unchanged. */
@Injectable()
export class RoomExtrasReader {
  constructor(
    private readonly typing: TypingUsers,
    private readonly receipts: ReceiptsStore,
    private readonly accountData: AccountData,
  ) {}

  /**
   * By room id; rooms without anything are missing.
   *
   * @param ignored users of whom nothing is shown
   */
  async read(request: SyncRequest, plan: AnswerPlan, moment: AnswerMoment, ignored: ReadonlySet<string>): Promise<Map<string, RoomExtras>> {
    const isNew = new Set(plan.rooms.filter((room) => room.isNew).map(({ room }) => room.roomId));
    const [receipts, accountData] = await Promise.all([
      this.#receipts(request, plan, isNew, moment),
      this.#accountData(request, plan, isNew, moment),
    ]);
    const extras = new Map<string, RoomExtras>();
    const { ephemeral: matcher, roomAccountData } = request.filter;
    for (const { roomId } of plan.joined) {
      const ephemeral: string[] = [];
      if (!matcher.blocksRoom(roomId)) {
        const typing = this.#typing(roomId, isNew.has(roomId) ? null : request.since!.positions, matcher, ignored);
        if (typing !== null) ephemeral.push(typing);
        const rows = receipts.get(roomId)?.filter((row) => !ignored.has(row.user_id));
        if (rows?.length && matcher.passesType('m.receipt')) {
          ephemeral.push(`{"type":"m.receipt","content":${JSON.stringify(receiptContent(rows))}}`);
        }
      }
      const data = textsOf(accountData.get(roomId) ?? [], roomId, roomAccountData, request.userId);
      if (ephemeral.length > 0 || data.length > 0) extras.set(roomId, { ephemeral, accountData: data });
    }
    return extras;
  }

  #typing(roomId: string, since: SyncPositions | null, matcher: EventMatcher, ignored: ReadonlySet<string>): string | null {
    const typing = this.typing.inRoom(roomId);
    // The end of it is news, too, for whoever begins anew.
    const isNews = typing !== undefined && (since === null || typing.pos > since.typing);
    if (!isNews || !matcher.passesType('m.typing')) return null;
    return `{"type":"m.typing","content":{"user_ids":${JSON.stringify(typing.users.filter((userId) => !ignored.has(userId)))}}}`;
  }

  async #receipts(
    request: SyncRequest, plan: AnswerPlan, isNew: ReadonlySet<string>, { next, ahead }: AnswerMoment,
  ): Promise<Map<string, ReceiptRow[]>> {
    const since = request.since?.positions.receipts ?? 0;
    const hasNews = ahead.has('receipts');
    const rooms = plan.joined.filter((room) => hasNews || isNew.has(room.roomId));
    const wanted = rooms.map(({ roomId, roomNid }) => ({ roomNid, after: isNew.has(roomId) ? 0 : since }));
    const ids = new Map(rooms.map((room) => [room.roomNid, room.roomId]));
    const found = new Map<string, ReceiptRow[]>();
    for (const row of await this.receipts.inRooms(wanted, next.receipts, request.userId, MAX_RECEIPTS)) {
      const roomId = ids.get(row.room_nid)!;
      const rows = found.get(roomId) ?? [];
      found.set(roomId, rows);
      rows.push(row);
    }
    return found;
  }

  async #accountData(
    request: SyncRequest, plan: AnswerPlan, isNew: ReadonlySet<string>, { next, ahead }: AnswerMoment,
  ): Promise<Map<string, AccountDataEvent[]>> {
    const since = request.since?.positions.account ?? 0;
    const [complete, changed] = await Promise.all([
      isNew.size === 0 ? new Map<string, AccountDataEvent[]>()
        : this.accountData.rooms(request.userId, null, next.account, [...isNew]),
      request.since === null || !ahead.has('account') ? new Map<string, AccountDataEvent[]>()
        : this.accountData.rooms(request.userId, since, next.account, []),
    ]);
    return new Map([...changed, ...complete]);
  }
}

/** The events that a filter lets through, as JSON texts. Their sender is the reader. */
export function textsOf(
  events: readonly AccountDataEvent[], roomId: string | null, matcher: EventMatcher, userId: string,
): string[] {
  if (roomId !== null && matcher.blocksRoom(roomId)) return [];
  return events
    .filter(({ type }) => matcher.passes({ type, sender: userId, hasUrl: false, relType: undefined }))
    .map(({ type, content }) => `{"type":${JSON.stringify(type)},"content":${content}}`);
}
