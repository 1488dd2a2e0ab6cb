import { Injectable } from '@nestjs/common';
import { Database, statement, type Transaction } from '../storage/database.js';
import { RowInserter } from '../storage/insert-rows.js';

/** A receipt as it is stored. */
export interface Receipt {
  readonly roomNid: number;
  readonly roomId: string;
  readonly userId: string;
  readonly type: 'm.read' | 'm.read.private';
  /** Thread root's event id, `main`, or empty for an unthreaded receipt. */
  readonly threadId: string;
  readonly eventId: string;
  /** Milliseconds. */
  readonly ts: number;
}

export interface ReceiptRow {
  room_nid: number;
  user_id: string;
  type: 'm.read' | 'm.read.private';
  thread_id: string;
  event_id: string;
  ts: number;
}

const upsert = new RowInserter(
  'receipts.upsert',
  'receipts',
  ['room_nid', 'user_id', 'type', 'thread_id', 'event_id', 'ts', 'pos'],
  'ON CONFLICT (room_nid, user_id, type, thread_id) DO UPDATE SET event_id = excluded.event_id, ts = excluded.ts, pos = excluded.pos',
);
// The reader's own come first, so that the limit cannot hide them.
const inRooms = statement(
  'receipts.in_rooms',
  `SELECT r.room_nid, c.user_id, c.type, c.thread_id, c.event_id, c.ts
   FROM unnest($1::bigint[], $2::bigint[]) AS r (room_nid, after) CROSS JOIN LATERAL (
     SELECT user_id, type, thread_id, event_id, ts FROM receipts
     WHERE room_nid = r.room_nid AND pos > r.after AND pos <= $3 AND (type = 'm.read' OR user_id = $4)
     ORDER BY user_id = $4 DESC, pos DESC LIMIT $5) c`,
);
const ofUser = statement(
  'receipts.of_user',
  `SELECT c.room_nid, c.user_id, c.type, c.thread_id, c.event_id, c.ts FROM receipts c WHERE c.room_nid = ANY($1) AND c.user_id = $2`,
);
const places = statement(
  'receipts.places',
  `SELECT e.event_id, e.pos, e.depth, e.json FROM events e JOIN rooms r USING (room_nid) WHERE e.event_id = ANY($1) AND r.room_id = $2`,
);
const allOfUser = statement(
  'receipts.all_of_user',
  `SELECT r.room_id, c.type, c.thread_id, c.event_id, c.ts FROM receipts c JOIN rooms r USING (room_nid) WHERE c.user_id = $1`,
);
const roomNid = statement('receipts.room_nid', 'SELECT room_nid FROM rooms WHERE room_id = $1 AND state_nid IS NOT NULL');
const putWaiting = statement(
  'receipts.put_waiting',
  `INSERT INTO waiting_read_markers AS w (user_id, room_id, type, thread_id, event_id, ts)
   SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM waiting_read_markers WHERE user_id = $1) < $7
   ON CONFLICT (user_id, room_id, type, thread_id) DO UPDATE SET event_id = excluded.event_id, ts = excluded.ts WHERE w.ts < excluded.ts`,
);
const waiting = statement(
  'receipts.waiting',
  'SELECT type, thread_id, event_id, ts FROM waiting_read_markers WHERE user_id = $1 AND room_id = $2',
);
const deleteWaiting = statement('receipts.delete_waiting', 'DELETE FROM waiting_read_markers WHERE user_id = $1 AND room_id = $2');
/** Of one account, over all rooms. */
const MAX_WAITING = 20_000;

/** Where an event is in its room. */
export interface EventPlace {
  readonly pos: number | null;
  readonly depth: number;
  readonly json: string;
}

@Injectable()
export class ReceiptsStore {
  constructor(private readonly db: Database) {}

  async upsert(tx: Transaction, items: readonly { item: Receipt; pos: number }[]): Promise<void> {
    // A statement must not touch a row twice: the last receipt of a batch wins.
    const rows = new Map<string, unknown[]>();
    for (const { item, pos } of items) {
      const key = JSON.stringify([item.roomNid, item.userId, item.type, item.threadId]);
      rows.set(key, [item.roomNid, item.userId, item.type, item.threadId, item.eventId, item.ts, pos]);
    }
    await upsert.insert(tx, [...rows.values()]);
  }

  /** Receipts with `after < pos <= to` that the reader may see, at most `limit` per room. */
  inRooms(
    rooms: readonly { roomNid: number; after: number }[], to: number, reader: string, limit: number,
  ): Promise<ReceiptRow[]> {
    if (rooms.length === 0) return Promise.resolve([]);
    return this.db.query<ReceiptRow>(inRooms, [rooms.map((room) => room.roomNid), rooms.map((room) => room.after), to, reader, limit]);
  }

  ofUser(roomNids: readonly number[], userId: string): Promise<ReceiptRow[]> {
    return roomNids.length === 0 ? Promise.resolve([]) : this.db.query<ReceiptRow>(ofUser, [roomNids, userId]);
  }

  /** Those of the events that are in the room. */
  async places(eventIds: readonly string[], roomId: string): Promise<Map<string, EventPlace>> {
    const rows = await this.db.query<EventPlace & { event_id: string }>(places, [eventIds, roomId]);
    return new Map(rows.map((row) => [row.event_id, row]));
  }

  allOfUser(userId: string): Promise<(ReceiptRow & { room_id: string })[]> {
    return this.db.query(allOfUser, [userId]);
  }

  /** Keeps a receipt for a room that is not here yet. */
  async putWaiting({ userId, roomId, type, threadId, eventId, ts }: Omit<Receipt, 'roomNid'>): Promise<void> {
    await this.db.query(putWaiting, [userId, roomId, type, threadId, eventId, ts, MAX_WAITING]);
  }

  async waiting(userId: string, roomId: string): Promise<Pick<ReceiptRow, 'type' | 'thread_id' | 'event_id' | 'ts'>[]> {
    return this.db.query(waiting, [userId, roomId]);
  }

  async deleteWaiting(userId: string, roomId: string): Promise<void> {
    await this.db.query(deleteWaiting, [userId, roomId]);
  }

  /** The room's numeric id, if this server holds the room. */
  async roomNid(roomId: string): Promise<number | undefined> {
    return (await this.db.query<{ room_nid: number }>(roomNid, [roomId]))[0]?.room_nid;
  }
}
