import { Injectable } from '@nestjs/common';
import { type JsonValue, referencedIds } from '#federation';
import { parseStoredJson } from '#json';
import { Database, type Queryable, statement } from '../../storage/database.js';
import type { ReadNode } from './read-part.js';

// Only the edges leave the database, as for resume. PostgreSQL reads no JSON in which there is the escape of NUL.
const parsed = String.raw`replace(e.json, '\u0000', '\u0020')::json`;
const columns = `e.event_id, e.pos, (${parsed} -> 'prev_events')::text AS prev`;
const newest = statement(
  'read_graph.newest', `SELECT ${columns} FROM events e WHERE e.room_nid = $1 AND e.pos <= $2 ORDER BY e.pos DESC LIMIT $3`,
);
const after = statement(
  'read_graph.after', `SELECT ${columns} FROM events e WHERE e.room_nid = $1 AND e.pos > $2 ORDER BY e.pos LIMIT $3`,
);
const byIds = statement('read_graph.by_ids', `SELECT ${columns} FROM events e WHERE e.room_nid = $1 AND e.event_id = ANY($2) AND e.status <> 3`);
const ends = statement(
  'read_graph.ends',
  'SELECT e.event_id, e.pos FROM rooms r JOIN events e ON e.event_nid = ANY(r.extremities) WHERE r.room_nid = $1',
);
const upTo = statement('read_graph.up_to', 'SELECT event_id FROM events WHERE room_nid = $1 AND event_id = ANY($2) AND pos <= $3');

const newestOf = statement(
  'read_graph.newest_of',
  `SELECT e.event_id FROM events e JOIN rooms r USING (room_nid) WHERE r.room_id = $1 AND e.event_id = ANY($2) AND e.status <> 3 ORDER BY e.pos DESC NULLS LAST`,
);
const gap = statement('read_graph.gap', 'SELECT 1 FROM backward_extremities WHERE room_nid = $1 AND child_pos > 0 LIMIT 1');

interface Row {
  event_id: string;
  pos: number | null;
  prev: string | null;
}

/** Reads the graphs of rooms for what is read in them. */
@Injectable()
export class ReadGraphStore {
  constructor(private readonly db: Database) {}

  /** The newest events of the timeline up to a position, fetched history too. */
  async newest(roomNid: number, to: number, limit: number): Promise<ReadNode[]> {
    return (await this.db.query<Row>(newest, [roomNid, to, limit])).map(node);
  }

  async after(roomNid: number, pos: number, limit: number): Promise<ReadNode[]> {
    return (await this.db.query<Row>(after, [roomNid, pos, limit])).map(node);
  }

  /** Those of the events that are in the graph here. */
  async byIds(roomNid: number, eventIds: readonly string[]): Promise<ReadNode[]> {
    return eventIds.length === 0 ? [] : (await this.db.query<Row>(byIds, [roomNid, eventIds])).map(node);
  }

  /** Those of the events that are here, the last of the timeline first. */
  async newestOf(db: Queryable, roomId: string, eventIds: readonly string[]): Promise<string[]> {
    return (await db.query<{ event_id: string }>(newestOf, [roomId, eventIds])).map((row) => row.event_id);
  }

  /** The room's ends as it is now. */
  async ends(roomNid: number): Promise<{ eventId: string; pos: number | null }[]> {
    const rows = await this.db.query<{ event_id: string; pos: number | null }>(ends, [roomNid]);
    return rows.map((row) => ({ eventId: row.event_id, pos: row.pos }));
  }

  /** Whether events of the timeline, not of fetched history, build on some that are not here. */
  async hasGap(db: Queryable, roomNid: number): Promise<boolean> {
    return (await db.query(gap, [roomNid])).length > 0;
  }

  /** Those of the events that the timeline has up to a position. */
  async upTo(db: Queryable, roomNid: number, eventIds: readonly string[], pos: number): Promise<ReadonlySet<string>> {
    const rows = await db.query<{ event_id: string }>(upTo, [roomNid, eventIds, pos]);
    return new Set(rows.map((row) => row.event_id));
  }
}

function node(row: Row): ReadNode {
  const prev = row.prev === null ? undefined : (parseStoredJson(row.prev) as JsonValue);
  return { eventId: row.event_id, pos: row.pos, prev: referencedIds(prev).filter((id) => typeof id === 'string') };
}
