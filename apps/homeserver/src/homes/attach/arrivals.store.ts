import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

const begin = statement(
  'arrival.begin',
  `INSERT INTO account_arrivals (user_id, sources, is_listed, started_ts) VALUES ($1, $2, $3, $4)
   ON CONFLICT (user_id) DO UPDATE SET sources = $2, is_listed = $3, started_ts = $4`,
);
const unlisted = statement('arrival.unlisted', 'SELECT user_id, sources FROM account_arrivals WHERE NOT is_listed');
const listed = statement('arrival.listed', 'UPDATE account_arrivals SET is_listed = true WHERE user_id = $1');
const rooms = new RowInserter(
  'arrival.rooms',
  'account_arrival_rooms',
  ['user_id', 'room_id', 'via'],
  `ON CONFLICT (user_id, room_id) DO UPDATE SET via = excluded.via, retry_at = 0, is_ready = false`,
  [undefined, undefined, 'text[]'],
);
const due = statement(
  'arrival.due',
  'SELECT user_id, room_id, via, attempts FROM account_arrival_rooms WHERE NOT is_ready AND retry_at <= $1 ORDER BY retry_at LIMIT $2',
);
const nextRetry = statement('arrival.next', 'SELECT min(retry_at) AS at FROM account_arrival_rooms WHERE NOT is_ready');
const ready = statement('arrival.ready', 'UPDATE account_arrival_rooms SET is_ready = true, error = NULL WHERE user_id = $1 AND room_id = $2');
const failed = statement(
  'arrival.failed',
  'UPDATE account_arrival_rooms SET attempts = attempts + 1, retry_at = $3, error = $4 WHERE user_id = $1 AND room_id = $2',
);
const progress = statement(
  'arrival.progress',
  `SELECT (SELECT is_listed FROM account_arrivals WHERE user_id = $1) AS is_listed,
     count(*) AS total, count(*) FILTER (WHERE is_ready) AS ready
   FROM account_arrival_rooms WHERE user_id = $1`,
);
const failures = statement(
  'arrival.failures',
  'SELECT room_id, error FROM account_arrival_rooms WHERE user_id = $1 AND NOT is_ready AND error IS NOT NULL ORDER BY room_id LIMIT 20',
);
const retryAll = statement('arrival.retry', 'UPDATE account_arrival_rooms SET retry_at = 0 WHERE NOT is_ready AND $1 = ANY(via)');
const forgetRooms = statement('arrival.forget_rooms', 'DELETE FROM account_arrival_rooms WHERE user_id = $1');
const forget = statement('arrival.forget', 'DELETE FROM account_arrivals WHERE user_id = $1');

export interface ArrivalRoom {
  readonly userId: string;
  readonly roomId: string;
  readonly via: readonly string[];
  readonly attempts: number;
}

/** How far an account has moved in. */
export interface ArrivalProgress {
  /** Whether the list of rooms is complete; null when nothing had to be moved. */
  readonly isListed: boolean | null;
  readonly total: number;
  readonly ready: number;
}

/** The tables `account_arrivals` and `account_arrival_rooms`. */
@Injectable()
export class ArrivalsStore {
  constructor(private readonly db: Database) {}

  async begin(userId: string, sources: readonly string[], now: number): Promise<void> {
    await this.db.query(begin, [userId, sources, sources.length === 0, now]);
  }

  async unlisted(): Promise<{ userId: string; sources: string[] }[]> {
    const rows = await this.db.query<{ user_id: string; sources: string[] }>(unlisted);
    return rows.map((row) => ({ userId: row.user_id, sources: row.sources }));
  }

  async listed(userId: string): Promise<void> {
    await this.db.query(listed, [userId]);
  }

  /** Rooms to be attached; those that were ready are done again. */
  async addRooms(userId: string, list: ReadonlyMap<string, readonly string[]>): Promise<void> {
    await rooms.insert(this.db, [...list].map(([roomId, via]) => [userId, roomId, via]));
  }

  async due(now: number, limit: number): Promise<ArrivalRoom[]> {
    const rows = await this.db.query<{ user_id: string; room_id: string; via: string[]; attempts: number }>(due, [now, limit]);
    return rows.map((row) => ({ userId: row.user_id, roomId: row.room_id, via: row.via, attempts: row.attempts }));
  }

  /** When the next room is to be tried; null when all are ready. */
  async nextRetry(): Promise<number | null> {
    return (await this.db.query<{ at: number | null }>(nextRetry))[0]?.at ?? null;
  }

  async ready(userId: string, roomId: string): Promise<void> {
    await this.db.query(ready, [userId, roomId]);
  }

  async failed(userId: string, roomId: string, retryAt: number, error: string): Promise<void> {
    await this.db.query(failed, [userId, roomId, retryAt, error]);
  }

  async retry(server: string): Promise<void> {
    await this.db.query(retryAll, [server]);
  }

  async progress(userId: string): Promise<ArrivalProgress> {
    const [row] = await this.db.query<{ is_listed: boolean | null; total: number; ready: number }>(progress, [userId]);
    return { isListed: row!.is_listed, total: row!.total, ready: row!.ready };
  }

  async failures(userId: string): Promise<{ room_id: string; error: string }[]> {
    return this.db.query<{ room_id: string; error: string }>(failures, [userId]);
  }

  async forget(userId: string): Promise<void> {
    await this.db.query(forgetRooms, [userId]);
    await this.db.query(forget, [userId]);
  }
}
