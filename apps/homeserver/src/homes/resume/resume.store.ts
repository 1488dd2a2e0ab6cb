import { Injectable } from '@nestjs/common';
import { referencedIds, type JsonValue } from '#federation';
import { parseStoredJson } from '#json';
import { Database, statement } from '../../storage/database.js';

const ends = statement(
  'resume.ends',
  `SELECT r.room_id, r.room_nid, array(SELECT e.event_id FROM events e WHERE e.event_nid = ANY(r.extremities)) AS ends
   FROM rooms r WHERE r.room_id = ANY($1)`,
);
// Of an event only its edges leave the database: thousands are looked at, of up to 64 KiB each. PostgreSQL reads no JSON in which
// there is the escape of NUL; another one of its length in its place changes nothing that is asked for.
const parsed = String.raw`replace(json, '\u0000', '\u0020')::json`;
const columns = `event_id, pos, status, sender, txn, (${parsed} -> 'prev_events')::text AS prev,
  CASE WHEN txn IS NULL THEN (${parsed} -> 'txn')::text END AS own_txn`;
const newest = statement(
  'resume.newest',
  `SELECT ${columns} FROM events WHERE room_nid = $1 AND pos > 0 AND pos < $2 ORDER BY pos DESC LIMIT $3`,
);
const past = statement(
  'resume.past',
  `SELECT ${columns} FROM events WHERE room_nid = $1 AND pos < 0 AND pos >= $2 ORDER BY pos DESC LIMIT $3`,
);
const byIds = statement('resume.by_ids', `SELECT ${columns} FROM events WHERE room_nid = $1 AND event_id = ANY($2)`);
const known = statement(
  'resume.known',
  `SELECT e.event_id, e.origin_server_ts FROM unnest($1::text[], $2::text[]) AS w (room_id, event_id)
   JOIN rooms r ON r.room_id = w.room_id JOIN events e ON e.event_id = w.event_id AND e.room_nid = r.room_nid WHERE e.status <> 3`,
);
const receiptsSince = statement('resume.receipts', 'SELECT min(pos) AS pos FROM receipts WHERE ts >= $1');
const insert = statement('resume.insert', 'INSERT INTO resume_points (resume_id, user_id, cursor, created_ts) VALUES ($1, $2, $3, $4)');
const select = statement('resume.get', 'SELECT cursor FROM resume_points WHERE resume_id = $1 AND user_id = $2 AND created_ts > $3');
const purge = statement('resume.purge', 'DELETE FROM resume_points WHERE created_ts <= $1');
const trim = statement(
  'resume.trim',
  `DELETE FROM resume_points WHERE resume_id IN
     (SELECT resume_id FROM resume_points WHERE user_id = $1 ORDER BY created_ts DESC OFFSET $2)`,
);

/** A room's end as it is now. */
export interface RoomEnds {
  readonly roomId: string;
  readonly roomNid: number;
  readonly ends: readonly string[];
}

/** An event as far as the graph goes. */
export interface GraphRow {
  readonly eventId: string;
  /** Null when it is not in the timeline. */
  readonly pos: number | null;
  readonly status: number;
  readonly sender: string;
  readonly txn: string | null;
  readonly prev: readonly string[];
}

interface Row {
  event_id: string;
  pos: number | null;
  status: number;
  sender: string;
  txn: string | null;
  /** JSON, as in the event. */
  prev: string | null;
  own_txn: string | null;
}

/** Reads graphs of rooms, and keeps resume points (the table `resume_points`). */
@Injectable()
export class ResumeStore {
  constructor(private readonly db: Database) {}

  async ends(roomIds: readonly string[]): Promise<RoomEnds[]> {
    const rows = await this.db.query<{ room_id: string; room_nid: number; ends: string[] }>(ends, [roomIds]);
    return rows.map((row) => ({ roomId: row.room_id, roomNid: row.room_nid, ends: row.ends }));
  }

  /** The newest timeline events of a room below a position, newest first. */
  async newest(roomNid: number, below: number, limit: number): Promise<GraphRow[]> {
    return (await this.db.query<Row>(newest, [roomNid, below, limit])).map(graphRow);
  }

  /** The newest of what was before this server's timeline, down to a position. */
  async past(roomNid: number, from: number, limit: number): Promise<GraphRow[]> {
    return (await this.db.query<Row>(past, [roomNid, from, limit])).map(graphRow);
  }

  async byIds(roomNid: number, eventIds: readonly string[]): Promise<GraphRow[]> {
    if (eventIds.length === 0) return [];
    return (await this.db.query<Row>(byIds, [roomNid, eventIds])).map(graphRow);
  }

  /** Events that are in the graph here, with their times. */
  async known(events: ReadonlyMap<string, readonly string[]>): Promise<Map<string, number>> {
    const pairs = [...events].flatMap(([roomId, ids]) => ids.map((id) => [roomId, id] as const));
    if (pairs.length === 0) return new Map();
    const rows = await this.db.query<{ event_id: string; origin_server_ts: number }>(known, [pairs.map(([roomId]) => roomId), pairs.map(([, id]) => id)]);
    return new Map(rows.map((row) => [row.event_id, row.origin_server_ts]));
  }

  /** Position of the first receipt of that time or later; null when there is none. */
  async receiptsSince(ts: number): Promise<number | null> {
    return (await this.db.query<{ pos: number | null }>(receiptsSince, [ts]))[0]?.pos ?? null;
  }

  async put(resumeId: string, userId: string, cursor: string, now: number, keep: number): Promise<void> {
    await this.db.query(insert, [resumeId, userId, cursor, now]);
    await this.db.query(trim, [userId, keep]);
  }

  async get(resumeId: string, userId: string, after: number): Promise<string | undefined> {
    return (await this.db.query<{ cursor: string }>(select, [resumeId, userId, after]))[0]?.cursor;
  }

  async purge(before: number): Promise<void> {
    await this.db.query(purge, [before]);
  }
}

function graphRow(row: Row): GraphRow {
  const txn = row.own_txn === null ? null : (parseStoredJson(row.own_txn) as unknown);
  const prev = row.prev === null ? undefined : (parseStoredJson(row.prev) as JsonValue);
  return {
    eventId: row.event_id, pos: row.pos, status: row.status, sender: row.sender,
    // Of soft-failed twins the column is empty, because the first event with the transaction has it.
    txn: row.txn ?? (typeof txn === 'string' ? txn : null),
    prev: referencedIds(prev).filter((id) => typeof id === 'string'),
  };
}
