import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../../storage/database.js';

const columns = 's.thread_id, s.event_ids, s.here_pos, s.floor_pos, s.above, s.is_open, s.is_partial';
const ofRooms = statement(
  'read_sets.of_rooms',
  `SELECT r.room_nid, s.room_id, ${columns} FROM rooms r JOIN read_sets s ON s.room_id = r.room_id
   WHERE r.room_nid = ANY($1) AND s.user_id = $2`,
);
const select = statement(
  'read_sets.get', `SELECT ${columns} FROM read_sets s WHERE s.user_id = $1 AND s.room_id = $2 AND s.thread_id = $3 FOR UPDATE`,
);
const threads = statement('read_sets.threads', 'SELECT count(*)::int AS count FROM read_sets WHERE user_id = $1 AND room_id = $2');
const all = statement('read_sets.of_user', 'SELECT room_id, thread_id, event_ids FROM read_sets WHERE user_id = $1');
const put = statement(
  'read_sets.put',
  `INSERT INTO read_sets (user_id, room_id, thread_id, event_ids, here_pos, floor_pos, above, is_open, is_partial)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (user_id, room_id, thread_id) DO UPDATE SET event_ids = excluded.event_ids,
   here_pos = excluded.here_pos, floor_pos = excluded.floor_pos, above = excluded.above, is_open = excluded.is_open, is_partial = excluded.is_partial`,
);
const found = statement(
  'read_sets.found',
  `UPDATE read_sets SET event_ids = $6, floor_pos = $7, above = $8, is_open = $9, is_partial = $10
   WHERE user_id = $1 AND room_id = $2 AND thread_id = $3 AND event_ids = $4 AND here_pos IS NOT DISTINCT FROM $5`,
);
const begin = statement(
  'read_sets.begin',
  `INSERT INTO read_sets (user_id, room_id, thread_id, event_ids, here_pos, floor_pos, is_open)
   SELECT c.user_id, r.room_id, c.thread_id, array_agg(DISTINCT c.event_id), max(e.pos), max(e.pos), bool_or(e.pos IS NULL)
   FROM receipts c JOIN rooms r USING (room_nid) LEFT JOIN events e ON e.event_id = c.event_id AND e.room_nid = c.room_nid
   WHERE c.user_id = $1 GROUP BY c.user_id, r.room_id, c.thread_id ON CONFLICT DO NOTHING`,
);
const remove = statement('read_sets.remove', 'DELETE FROM read_sets WHERE user_id = $1');

/** What an account has read of a thread of a room, and what that means for the timeline here. */
export interface ReadSet {
  readonly threadId: string;
  readonly eventIds: readonly string[];
  readonly herePos: number | null;
  readonly floorPos: number | null;
  readonly above: readonly number[];
  readonly isOpen: boolean;
  readonly isPartial: boolean;
}

interface Row {
  thread_id: string;
  event_ids: string[];
  here_pos: number | null;
  floor_pos: number | null;
  above: (number | string)[];
  is_open: boolean;
  is_partial: boolean;
}

/** The table `read_sets`. */
@Injectable()
export class ReadSetsStore {
  constructor(private readonly db: Database) {}

  async ofRooms(roomNids: readonly number[], userId: string): Promise<(ReadSet & { roomNid: number; roomId: string })[]> {
    const rows = await this.db.query<Row & { room_nid: number; room_id: string }>(ofRooms, [roomNids, userId]);
    return rows.map((row) => ({ ...readSet(row), roomNid: row.room_nid, roomId: row.room_id }));
  }

  /** Locks the set. */
  async get(tx: Queryable, userId: string, roomId: string, threadId: string): Promise<ReadSet | undefined> {
    const [row] = await tx.query<Row>(select, [userId, roomId, threadId]);
    return row && readSet(row);
  }

  /** In how many threads of a room something is known to be read. */
  async threads(tx: Queryable, userId: string, roomId: string): Promise<number> {
    return (await tx.query<{ count: number }>(threads, [userId, roomId]))[0]!.count;
  }

  async put(tx: Queryable, userId: string, roomId: string, set: ReadSet): Promise<void> {
    await tx.write(put, [userId, roomId, set.threadId, set.eventIds, set.herePos, set.floorPos, set.above, set.isOpen, set.isPartial]);
  }

  /** Stores what a set means here, unless it has changed since it was read. */
  async found(userId: string, roomId: string, before: ReadSet, after: ReadSet): Promise<void> {
    await this.db.query(found, [
      userId, roomId, before.threadId, before.eventIds, before.herePos, after.eventIds, after.floorPos, after.above, after.isOpen, after.isPartial,
    ]);
  }

  /** By room id and thread. */
  async ofUser(userId: string): Promise<Map<string, readonly string[]>> {
    const rows = await this.db.query<{ room_id: string; thread_id: string; event_ids: string[] }>(all, [userId]);
    return new Map(rows.map((row) => [`${row.room_id} ${row.thread_id}`, row.event_ids]));
  }

  /** Makes the sets of an account that has had this home only, from its receipts. */
  async begin(userId: string): Promise<void> {
    await this.db.query(begin, [userId]);
  }

  async removeAll(userId: string): Promise<void> {
    await this.db.query(remove, [userId]);
  }
}

function readSet(row: Row): ReadSet {
  return {
    threadId: row.thread_id, eventIds: row.event_ids, herePos: row.here_pos, floorPos: row.floor_pos, above: row.above.map(Number),
    isOpen: row.is_open, isPartial: row.is_partial,
  };
}
