import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { AccountData } from '../../account-data/account-data.js';
import { presenceContent } from '../../ephemeral/presence/presence-state.js';
import { Presences } from '../../ephemeral/presence/presences.js';
import { receiptContent } from '../../ephemeral/receipt-content.js';
import { ReceiptsStore } from '../../ephemeral/receipts.store.js';
import { TypingUsers } from '../../ephemeral/typing-users.js';
import { Clock } from '../../observability/clock.js';
import type { Room } from '../../rooms/room.js';
import type { SyncPositions } from '../sync-token.js';

/** Newest receipts, and people of whose presence one answer tells. */
const MAX_EACH = 1_000;

/** What is new in a room besides its events, for somebody who watches it without being in it. */
@Injectable()
export class RoomEphemera {
  constructor(
    private readonly typing: TypingUsers,
    private readonly receipts: ReceiptsStore,
    private readonly presences: Presences,
    private readonly accountData: AccountData,
    private readonly clock: Clock,
  ) {}

  /** Events without ids: typing, receipts and presence that changed after `since`, up to `now`. No query for streams in which nothing is new. */
  async since(userId: string, room: Room, since: SyncPositions, now: SyncPositions): Promise<JsonObject[]> {
    const typing = this.typing.inRoom(room.id);
    const isTypingNews = typing !== undefined && typing.pos > since.typing && typing.pos <= now.typing;
    const present = this.presences.changedAmong(room.state.joined, since.presence, MAX_EACH);
    const receipts = now.receipts > since.receipts
      ? await this.receipts.inRooms([{ roomNid: room.nid, after: since.receipts }], now.receipts, userId, MAX_EACH) : [];
    if (!isTypingNews && present.size === 0 && receipts.length === 0) return [];
    const ignored = await this.accountData.ignored(userId);
    const steady = this.clock.steady();
    const read = receipts.filter((row) => !ignored.has(row.user_id));
    return [
      ...(isTypingNews ? [{ type: 'm.typing', room_id: room.id, content: { user_ids: typing.users.filter((one) => !ignored.has(one)) } }] : []),
      ...(read.length > 0 ? [{ type: 'm.receipt', room_id: room.id, content: receiptContent(read) as unknown as JsonObject }] : []),
      // In answers of this endpoint the content says of whom it is.
      ...[...present].filter(([one]) => !ignored.has(one))
        .map(([sender, state]) => ({ type: 'm.presence', sender, content: { ...presenceContent(state, steady), user_id: sender } })),
    ];
  }
}
