import { Injectable } from '@nestjs/common';
import { roomVersions } from '#federation';
import { Database, statement } from '../storage/database.js';
import { storedEvent, storedEventColumns, type StoredEvent, type StoredEventRow } from './timeline/stored-event.js';

export interface RoomRow {
  room_nid: number;
  room_id: string;
  version: string;
  state_nid: number | null;
  extremities: number[];
  last_pos: number;
}

const room = statement(
  'rooms.by_id',
  'SELECT room_nid, room_id, version, state_nid, extremities, last_pos FROM rooms WHERE room_id = $1',
);
const currentState = statement(
  'rooms.current_state',
  `SELECT ${storedEventColumns.replace('e.json', 'CASE WHEN octet_length(e.json) <= $2 THEN e.json END AS json')}
   FROM current_state c JOIN events e USING (event_nid) JOIN rooms r ON r.room_nid = c.room_nid WHERE c.room_nid = $1`,
);
const PORTABLE = roomVersions.filter((rules) => rules.portable).map((rules) => rules.id);
const severalEnds = statement(
  'rooms.several_ends',
  'SELECT room_id FROM rooms WHERE version = ANY($1) AND cardinality(extremities) > 1 ORDER BY room_nid DESC LIMIT $2',
);

const unnamedLevels = statement(
  'rooms.unnamed_levels',
  `SELECT r.room_id FROM rooms r JOIN current_state c ON c.room_nid = r.room_nid AND c.type = 'm.room.power_levels' AND c.state_key = ''
   JOIN events e ON e.event_nid = c.event_nid
   WHERE r.version = ANY($1) AND e.json LIKE '%"users":{"@%' AND e.json NOT LIKE '%"io.partyline.genesis":%' ORDER BY r.room_nid LIMIT $2`,
);

/** Reads what a room in memory is built from. */
@Injectable()
export class RoomsStore {
  constructor(private readonly db: Database) {}

  async room(roomId: string): Promise<RoomRow | undefined> {
    return (await this.db.query<RoomRow>(room, [roomId]))[0];
  }

  /** Ids of portable rooms with more than one forward extremity, those that came last first. */
  async withSeveralEnds(limit: number): Promise<string[]> {
    return (await this.db.query<{ room_id: string }>(severalEnds, [PORTABLE, limit])).map((row) => row.room_id);
  }

  /** Ids of portable rooms whose power levels name users and do not say whom they mean. */
  async withUnnamedLevels(limit: number): Promise<string[]> {
    return (await this.db.query<{ room_id: string }>(unnamedLevels, [PORTABLE, limit])).map((row) => row.room_id);
  }

  /** Events of a room's state, and the numbers of those that are larger than so many bytes. */
  async currentState(roomNid: number, maxBytes: number): Promise<{ events: StoredEvent[]; large: number[] }> {
    const rows = await this.db.query<Omit<StoredEventRow, 'json'> & { json: string | null }>(currentState, [roomNid, maxBytes]);
    const events: StoredEvent[] = [];
    const large: number[] = [];
    for (const { json, ...row } of rows) {
      if (json === null) large.push(row.event_nid);
      else events.push(storedEvent({ ...row, json }));
    }
    return { events, large };
  }
}
