import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';

const stripped = statement(
  'room_rows.stripped',
  'SELECT room_nid, stripped_state FROM local_memberships WHERE user_id = $1 AND room_nid = ANY($2)',
);
const frontiers = statement(
  'room_rows.frontiers',
  `SELECT r.room_id, array_agg(e.event_id ORDER BY e.event_nid) AS event_ids
   FROM rooms r JOIN events e ON e.event_nid = ANY(r.extremities)
   WHERE r.room_nid = ANY($1) AND r.last_pos <= $2 GROUP BY r.room_id`,
);

/** What `/sync` reads of rooms besides their events and state. */
@Injectable()
export class RoomRowsStore {
  constructor(private readonly db: Database) {}

  /** The stripped state that the account was shown, as JSON text of an array, by room. */
  async strippedState(userId: string, roomNids: readonly number[]): Promise<Map<number, string>> {
    if (roomNids.length === 0) return new Map();
    const rows = await this.db.query<{ room_nid: number; stripped_state: string | null }>(stripped, [userId, roomNids]);
    return new Map(rows.map((row) => [row.room_nid, row.stripped_state ?? '[]']));
  }

  /** Forward extremities of those rooms in which nothing was committed after the position. */
  async frontiers(roomNids: readonly number[], pos: number): Promise<Map<string, string[]>> {
    if (roomNids.length === 0) return new Map();
    const rows = await this.db.query<{ room_id: string; event_ids: string[] }>(frontiers, [roomNids, pos]);
    return new Map(rows.map((row) => [row.room_id, row.event_ids]));
  }
}
