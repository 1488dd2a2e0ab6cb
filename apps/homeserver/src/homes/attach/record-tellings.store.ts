import { Injectable } from '@nestjs/common';
import type { HomeEntry } from '#federation';
import { parseStoredJson } from '#json';
import { Database, type Queryable, longStatement, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';
import { retryPause } from '../../storage/due-rows.js';

/** Longer than an attempt may take: a row that is being sent is nobody else's. */
const LEASE_MS = 30_000;
/** Servers that asked are told for a month after. */
const ASKER_LIFETIME_MS = 30 * 24 * 3_600_000;
/** Askers of one account that are told, the latest first. */
const MAX_ASKERS = 1_000;

const rows = new RowInserter(
  'record_telling.put',
  'record_tellings',
  ['user_id', 'destination', 'sha256', 'entry'],
  `ON CONFLICT (user_id, destination) DO UPDATE SET sha256 = excluded.sha256, entry = coalesce(excluded.entry, record_tellings.entry), attempts = 0, retry_at = 0`,
);
const claim = statement(
  'record_telling.claim',
  `UPDATE record_tellings t SET retry_at = $1::bigint + ${LEASE_MS} FROM (
     SELECT user_id, destination FROM record_tellings WHERE retry_at <= $1 ORDER BY retry_at LIMIT $2 FOR UPDATE SKIP LOCKED
   ) due WHERE t.user_id = due.user_id AND t.destination = due.destination
   RETURNING t.user_id, t.destination, t.sha256, t.entry, t.attempts`,
);
const done = statement('record_telling.done', 'DELETE FROM record_tellings WHERE user_id = $1 AND destination = $2 AND sha256 = $3');
const shown = statement(
  'record_telling.shown',
  'DELETE FROM record_tellings t USING unnest($2::text[], $3::text[]) AS v(user_id, sha256) WHERE t.destination = $1 AND t.user_id = v.user_id AND t.sha256 = v.sha256',
);
const failed = statement(
  'record_telling.failed',
  `UPDATE record_tellings SET attempts = attempts + 1, retry_at = $4::bigint + ${retryPause(500)}
   WHERE user_id = $1 AND destination = $2 AND sha256 = $3`,
);
const wake = statement('record_telling.wake', 'UPDATE record_tellings SET retry_at = 0 WHERE destination = $1 AND attempts > 0');
const wakeAll = longStatement('record_telling.wake_all', 'UPDATE record_tellings SET retry_at = 0');
const open = statement('record_telling.open', 'SELECT destination FROM record_tellings WHERE user_id = $1');
const next = statement('record_telling.next', 'SELECT min(retry_at) AS at FROM record_tellings');
const asked = statement(
  'record_asker.put',
  `INSERT INTO record_askers (user_id, destination, asked_ts) SELECT user_id, $2, $3 FROM unnest($1::text[]) AS user_id
   ON CONFLICT (user_id, destination) DO UPDATE SET asked_ts = $3`,
);
const askers = statement('record_asker.of', 'SELECT destination FROM record_askers WHERE user_id = $1 AND asked_ts > $2 ORDER BY asked_ts DESC LIMIT $3');
const forgetAskers = statement('record_asker.forget', 'DELETE FROM record_askers WHERE asked_ts <= $1');

/** A server that is to be told of an account's record. */
export interface RecordTelling {
  readonly userId: string;
  readonly destination: string;
  /** Of the record at the time of writing, and behind a space of the one signed apart; `done` and `failed` concern this one only. */
  readonly sha256: string;
  /** What shows that the server agreed to be a home; null for one that asked. */
  readonly entry: HomeEntry | null;
  /** Failures so far. */
  readonly attempts: number;
}

/** The tables `record_tellings` and `record_askers`. */
@Injectable()
export class RecordTellingsStore {
  constructor(private readonly db: Database) {}

  /** Of each destination the highest record only: a new row replaces the old one, and begins anew. */
  async put(db: Queryable, tellings: readonly Omit<RecordTelling, 'attempts'>[]): Promise<void> {
    await rows.insert(db, tellings.map(({ userId, destination, sha256, entry }) => [userId, destination, sha256, entry && JSON.stringify(entry)]));
  }

  /** Rows whose time has come; they come again after half a minute unless they are reported. */
  async claim(now: number, limit: number): Promise<RecordTelling[]> {
    type Row = { user_id: string; destination: string; sha256: string; entry: string | null; attempts: number };
    return (await this.db.query<Row>(claim, [now, limit])).map((row) => ({
      userId: row.user_id, destination: row.destination, sha256: row.sha256, attempts: row.attempts,
      entry: row.entry === null ? null : (parseStoredJson(row.entry) as HomeEntry),
    }));
  }

  async done({ userId, destination, sha256 }: RecordTelling): Promise<void> {
    await this.db.query(done, [userId, destination, sha256]);
  }

  /** A server showed that it has records, by account. */
  async shown(destination: string, hashes: ReadonlyMap<string, string>): Promise<void> {
    await this.db.query(shown, [destination, [...hashes.keys()], [...hashes.values()]]);
  }

  async failed({ userId, destination, sha256 }: RecordTelling, now: number): Promise<void> {
    await this.db.query(failed, [userId, destination, sha256, now]);
  }

  /** A destination is back, or with none given this server. */
  async wake(destination?: string): Promise<void> {
    await (destination === undefined ? this.db.query(wakeAll) : this.db.query(wake, [destination]));
  }

  /** Servers that have not answered to the account's record. */
  async open(userId: string): Promise<string[]> {
    return (await this.db.query<{ destination: string }>(open, [userId])).map((row) => row.destination);
  }

  /** When the next row is due, milliseconds; null without any. */
  async next(): Promise<number | null> {
    return (await this.db.query<{ at: number | null }>(next))[0]?.at ?? null;
  }

  async asked(userIds: readonly string[], destination: string, now: number): Promise<void> {
    await this.db.query(asked, [userIds, destination, now]);
  }

  async askers(userId: string, now: number): Promise<string[]> {
    return (await this.db.query<{ destination: string }>(askers, [userId, now - ASKER_LIFETIME_MS, MAX_ASKERS])).map((row) => row.destination);
  }

  async forgetAskers(now: number): Promise<void> {
    await this.db.query(forgetAskers, [now - ASKER_LIFETIME_MS]);
  }
}
