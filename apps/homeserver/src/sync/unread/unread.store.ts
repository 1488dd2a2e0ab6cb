import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { Database, statement } from '../../storage/database.js';

const readUpTo = statement(
  'unread.read_up_to',
  `SELECT c.room_nid, c.thread_id, max(e.pos) AS pos FROM receipts c JOIN events e ON e.event_id = c.event_id AND e.room_nid = c.room_nid
   WHERE c.room_nid = ANY($1) AND c.user_id = $2 AND e.pos IS NOT NULL GROUP BY c.room_nid, c.thread_id`,
);

const positions = statement('unread.positions', 'SELECT event_nid, pos FROM events WHERE event_nid = ANY($1)');

const members = statement(
  'unread.members', `SELECT event_id, json FROM events WHERE room_nid = ANY($1) AND event_id = ANY($2) AND type = 'm.room.member' AND state_key = $3`,
);

/** How far a user has read a room: thread (empty: all of the room) → position. */
export type ReadPositions = ReadonlyMap<string, number>;

@Injectable()
export class UnreadStore {
  constructor(private readonly db: Database) {}

  /** Where the user's receipts, public and private, point to in each room. */
  async readUpTo(roomNids: readonly number[], userId: string): Promise<Map<number, ReadPositions>> {
    const found = new Map<number, Map<string, number>>(roomNids.map((nid) => [nid, new Map()]));
    const rows = await this.db.query<{ room_nid: number; thread_id: string; pos: number }>(readUpTo, [roomNids, userId]);
    for (const row of rows) found.get(row.room_nid)!.set(row.thread_id, row.pos);
    return found;
  }

  /** Those of the events, in these rooms, by which the user is joined. */
  async joinsAmong(roomNids: readonly number[], userId: string, eventIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.db.query<{ event_id: string; json: string }>(members, [roomNids, eventIds, userId]);
    const isJoin = (json: string) => (parseStoredJson(json) as { content: { membership?: unknown } }).content.membership === 'join';
    return new Set(rows.filter(({ json }) => isJoin(json)).map((row) => row.event_id));
  }

  /** Where events are in their timelines; those that are in none are left out. */
  async positions(nids: readonly number[]): Promise<Map<number, number>> {
    if (nids.length === 0) return new Map();
    const rows = await this.db.query<{ event_nid: number; pos: number | null }>(positions, [nids]);
    return new Map(rows.flatMap((row) => (row.pos === null ? [] : [[row.event_nid, row.pos]])));
  }
}
