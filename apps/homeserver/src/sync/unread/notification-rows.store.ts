import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';

const newest = statement(
  'notification_rows.newest',
  `SELECT e.event_nid, e.room_nid, e.pos, octet_length(e.json) AS bytes FROM unnest($1::bigint[], $2::bigint[]) AS r (room_nid, after) CROSS JOIN LATERAL (
     SELECT event_nid, room_nid, pos, json FROM events WHERE room_nid = r.room_nid AND pos > r.after AND pos <= $3 ORDER BY pos DESC LIMIT $4
   ) e ORDER BY e.pos DESC LIMIT $4`,
);

/** A timeline event of one of several rooms. */
export interface NotificationRow {
  readonly nid: number;
  readonly roomNid: number;
  readonly pos: number;
  readonly bytes: number;
}

@Injectable()
export class NotificationRowsStore {
  constructor(private readonly db: Database) {}

  /** The newest events of these rooms, each above its position, up to `to`; newest first. */
  async newest(rooms: readonly { roomNid: number; after: number }[], to: number, limit: number): Promise<NotificationRow[]> {
    const values = [rooms.map((room) => room.roomNid), rooms.map((room) => room.after), to, limit];
    const rows = await this.db.query<{ event_nid: number; room_nid: number; pos: number; bytes: number }>(newest, values);
    return rows.map((row) => ({ nid: row.event_nid, roomNid: row.room_nid, pos: row.pos, bytes: row.bytes }));
  }
}
