import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

const begin = statement(
  'arrival.begin',
  `INSERT INTO account_arrivals (user_id, sources, is_listed, started_ts) VALUES ($1, $2, $3, $4)
   ON CONFLICT (user_id) DO UPDATE SET sources = $2, is_listed = $3, started_ts = $4`,
);
const unfinished = statement(
  'arrival.unfinished',
  `WITH released AS (UPDATE account_arrival_rooms SET retry_at = 0 WHERE NOT is_ready RETURNING user_id)
   SELECT user_id FROM account_arrivals WHERE NOT is_listed UNION SELECT user_id FROM released`,
);
const sources = statement('arrival.sources', 'SELECT sources FROM account_arrivals WHERE user_id = $1 AND NOT is_listed');
const listed = statement('arrival.listed', 'UPDATE account_arrivals SET is_listed = true WHERE user_id = $1');
const rooms = new RowInserter(
  'arrival.rooms',
  'account_arrival_rooms AS known',
  ['user_id', 'room_id', 'via', 'is_named'],
  `ON CONFLICT (user_id, room_id) DO UPDATE SET retry_at = 0, is_ready = false, is_named = known.is_named AND excluded.is_named,
     via = (SELECT array_agg(server ORDER BY place) FROM (
       SELECT server, min(place) AS place FROM unnest(excluded.via || known.via) WITH ORDINALITY AS u (server, place)
       GROUP BY server ORDER BY min(place) LIMIT 20) AS servers)`,
  [undefined, undefined, 'text[]', 'boolean'],
);
const seen = new RowInserter(
  'arrival.seen',
  'account_arrival_rooms',
  ['user_id', 'room_id', 'via', 'is_ready', 'seen'],
  'ON CONFLICT (user_id, room_id) DO UPDATE SET seen = excluded.seen',
  [undefined, undefined, 'text[]', 'boolean', 'text[]'],
);
const forgetSeen = statement('arrival.forget_seen', "DELETE FROM account_arrival_rooms WHERE user_id = $1 AND via = '{}'");
const open = statement(
  'arrival.open',
  `SELECT count(*) AS rooms, coalesce(sum(octet_length(room_id) + octet_length(array_to_string(via, ''))), 0)::bigint AS bytes
   FROM account_arrival_rooms WHERE user_id = $1 AND NOT is_ready AND is_named = $2`,
);
const due = statement(
  'arrival.due',
  `SELECT room_id, via, seen, attempts FROM account_arrival_rooms
   WHERE user_id = $1 AND NOT is_ready AND retry_at <= $2 AND NOT room_id = ANY($3) ORDER BY retry_at, room_id LIMIT $4`,
);
const nextRetry = statement(
  'arrival.next', 'SELECT min(retry_at) AS at FROM account_arrival_rooms WHERE user_id = $1 AND NOT is_ready AND retry_at > $2',
);
const ready = statement('arrival.ready', 'UPDATE account_arrival_rooms SET is_ready = true, error = NULL WHERE user_id = $1 AND room_id = $2');
const failed = statement(
  'arrival.failed',
  'UPDATE account_arrival_rooms SET attempts = attempts + 1, retry_at = $3, error = $4 WHERE user_id = $1 AND room_id = $2',
);
const progress = statement(
  'arrival.progress',
  `SELECT (SELECT is_listed FROM account_arrivals WHERE user_id = $1) AS is_listed,
     count(*) AS total, count(*) FILTER (WHERE is_ready) AS ready
   FROM account_arrival_rooms WHERE user_id = $1 AND via <> '{}'`,
);
const failures = statement(
  'arrival.failures',
  'SELECT room_id, error FROM account_arrival_rooms WHERE user_id = $1 AND NOT is_ready AND error IS NOT NULL ORDER BY room_id LIMIT 20',
);
const retryAll = statement(
  'arrival.retry',
  `WITH woken AS (UPDATE account_arrival_rooms SET retry_at = 0 WHERE NOT is_ready AND via && $1 RETURNING user_id)
   SELECT user_id FROM woken UNION SELECT user_id FROM account_arrivals WHERE NOT is_listed AND sources && $1`,
);
const forgetRooms = statement('arrival.forget_rooms', 'DELETE FROM account_arrival_rooms WHERE user_id = $1');
const forget = statement('arrival.forget', 'DELETE FROM account_arrivals WHERE user_id = $1');

export interface ArrivalRoom {
  readonly roomId: string;
  readonly via: readonly string[];
  /** Events that a client has seen. */
  readonly seen: readonly string[];
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

  async begin(userId: string, from: readonly string[], now: number): Promise<void> {
    await this.db.query(begin, [userId, from, from.length === 0, now]);
  }

  /** Accounts for which something is left to do, after a start: what waited is worth a try. */
  async unfinished(): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(unfinished)).map((row) => row.user_id);
  }

  /** Homes that can list the account's rooms; none when that is done. */
  async sources(userId: string): Promise<string[]> {
    return (await this.db.query<{ sources: string[] }>(sources, [userId]))[0]?.sources ?? [];
  }

  async listed(userId: string): Promise<void> {
    await this.db.query(listed, [userId]);
  }

  /** Rooms to be attached; those that were ready are done again. Servers that are known of a room stay known, up to 20. */
  async addRooms(userId: string, list: ReadonlyMap<string, readonly string[]>, isNamed: boolean): Promise<void> {
    await rooms.insert(this.db, [...list].map(([roomId, via]) => [userId, roomId, via, isNamed]));
  }

  /** In place of what was known; a room that is not to be attached yet has a row without servers. */
  async setSeen(userId: string, list: ReadonlyMap<string, readonly string[]>): Promise<void> {
    await this.db.transaction(async (tx) => {
      await tx.write(forgetSeen, [userId]);
      await seen.insert(tx, [...list].map(([roomId, events]) => [userId, roomId, [], true, events]));
    });
  }

  /** What is to be attached yet, of what clients named or of the rest. */
  async open(userId: string, isNamed: boolean): Promise<{ rooms: number; bytes: number }> {
    return (await this.db.query<{ rooms: number; bytes: number }>(open, [userId, isNamed]))[0]!;
  }

  /** @param except rooms that are being attached */
  async due(userId: string, now: number, except: readonly string[], limit: number): Promise<ArrivalRoom[]> {
    const rows = await this.db.query<{ room_id: string; via: string[]; seen: string[]; attempts: number }>(due, [userId, now, except, limit]);
    return rows.map((row) => ({ roomId: row.room_id, via: row.via, seen: row.seen, attempts: row.attempts }));
  }

  /** When the account's next room is to be tried that is not to be tried yet; null when there is none. */
  async nextRetry(userId: string, now: number): Promise<number | null> {
    return (await this.db.query<{ at: number | null }>(nextRetry, [userId, now]))[0]?.at ?? null;
  }

  async ready(userId: string, roomId: string): Promise<void> {
    await this.db.query(ready, [userId, roomId]);
  }

  async failed(userId: string, roomId: string, retryAt: number, error: string): Promise<void> {
    await this.db.query(failed, [userId, roomId, retryAt, error]);
  }

  /** What can come through these servers is due at once. @returns the accounts that this concerns */
  async retry(servers: readonly string[]): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(retryAll, [servers])).map((row) => row.user_id);
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
