import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';

/** Events of a room that are looked at for one that counts as activity; a room with none among them is as active as the oldest of them. */
const MAX_LOOKED_AT = 200;

const latest = statement('room_activity.latest', 'SELECT room_nid, last_pos AS pos FROM rooms WHERE room_nid = ANY($1)');
const bumps = statement(
  'room_activity.bumps',
  `SELECT r.room_nid, b.pos FROM unnest($1::bigint[]) AS r (room_nid) CROSS JOIN LATERAL (
     SELECT pos FROM (
       SELECT pos, type, row_number() OVER (ORDER BY pos DESC) AS n FROM events WHERE room_nid = r.room_nid AND pos > 0 ORDER BY pos DESC LIMIT ${MAX_LOOKED_AT}
     ) e WHERE type = ANY($2) OR n = ${MAX_LOOKED_AT} ORDER BY pos DESC LIMIT 1) b`,
);

interface Row {
  room_nid: number;
  pos: number;
}

@Injectable()
export class RoomActivityStore {
  constructor(private readonly db: Database) {}

  async latest(roomNids: readonly number[]): Promise<Map<number, number>> {
    return positionsOf(await this.db.query<Row>(latest, [roomNids]));
  }

  async bumps(roomNids: readonly number[], types: readonly string[]): Promise<Map<number, number>> {
    return positionsOf(await this.db.query<Row>(bumps, [roomNids, types]));
  }
}

function positionsOf(rows: readonly Row[]): Map<number, number> {
  return new Map(rows.map((row) => [row.room_nid, row.pos]));
}
