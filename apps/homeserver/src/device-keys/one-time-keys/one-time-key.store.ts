import { Injectable } from '@nestjs/common';
import { Database, type Queryable, longStatement, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

/** A key that starts an encrypted session: one-time or fallback. */
export interface SessionKey {
  readonly algorithm: string;
  readonly keyId: string;
  /** Canonical JSON. */
  readonly json: string;
}

/** Which key is wanted, or given. */
export interface KeyClaim {
  readonly userId: string;
  readonly deviceId: string;
  readonly algorithm: string;
}

export type ClaimedKey = KeyClaim & SessionKey;

interface Row {
  user_id: string;
  device_id: string;
  algorithm: string;
  key_id: string;
  json: string;
}

const present = statement(
  'one_time_key.present',
  `SELECT algorithm, key_id, json FROM one_time_keys
   WHERE user_id = $1 AND device_id = $2 AND (algorithm, key_id) IN (SELECT * FROM unnest($3::text[], $4::text[]))`,
);
const counts = statement(
  'one_time_key.counts',
  `SELECT algorithm, count(*) AS n FROM one_time_keys
   WHERE user_id = $1 AND device_id = $2 AND claimed_ts IS NULL GROUP BY algorithm ORDER BY algorithm`,
);
// Two that claim at once pass over each other's rows; a row that was claimed meanwhile fails the condition when it is locked.
const claim = statement(
  'one_time_key.claim',
  `WITH picked AS (
     SELECT k.id FROM unnest($1::text[], $2::text[], $3::text[]) AS w(user_id, device_id, algorithm)
     CROSS JOIN LATERAL (
       SELECT o.id FROM one_time_keys o
       WHERE o.user_id = w.user_id AND o.device_id = w.device_id AND o.algorithm = w.algorithm AND o.claimed_ts IS NULL
       ORDER BY o.id LIMIT 1 FOR UPDATE SKIP LOCKED
     ) k
   )
   UPDATE one_time_keys o SET claimed_ts = $4 FROM picked WHERE o.id = picked.id
   RETURNING o.user_id, o.device_id, o.algorithm, o.key_id, o.json`,
);
const claimFallback = statement(
  'fallback_key.claim',
  `UPDATE fallback_keys f SET is_used = true
   FROM unnest($1::text[], $2::text[], $3::text[]) AS w(user_id, device_id, algorithm)
   WHERE f.user_id = w.user_id AND f.device_id = w.device_id AND f.algorithm = w.algorithm
   RETURNING f.user_id, f.device_id, f.algorithm, f.key_id, f.json`,
);
const forgetClaimed = statement(
  'one_time_key.forget_claimed',
  'DELETE FROM one_time_keys WHERE user_id = $1 AND device_id = $2 AND claimed_ts < $3',
);
const claimAll = longStatement('one_time_key.claim_all', 'UPDATE one_time_keys SET claimed_ts = $1 WHERE claimed_ts IS NULL');
const useAllFallback = longStatement('fallback_key.use_all', 'UPDATE fallback_keys SET is_used = true WHERE NOT is_used');
const unusedFallback = statement(
  'fallback_key.unused',
  'SELECT algorithm FROM fallback_keys WHERE user_id = $1 AND device_id = $2 AND NOT is_used ORDER BY algorithm',
);
// The same key again stays used: a repeated upload makes it no fresher.
const upsertFallback = statement(
  'fallback_key.upsert',
  `INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, json) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (user_id, device_id, algorithm) DO UPDATE SET key_id = excluded.key_id, json = excluded.json, is_used = false
   WHERE fallback_keys.key_id <> excluded.key_id OR fallback_keys.json <> excluded.json`,
);
const fallbackOfUser = statement(
  'fallback_key.of_user',
  'SELECT user_id, device_id, algorithm, key_id, json FROM fallback_keys WHERE user_id = $1',
);
const deleteFallback = statement(
  'fallback_key.delete',
  'DELETE FROM fallback_keys WHERE user_id = $1 AND device_id = $2 AND algorithm = $3',
);
const deleteOneTimeKeys = statement('one_time_key.delete', 'DELETE FROM one_time_keys WHERE user_id = $1 AND device_id = $2');
const deleteFallbackKeys = statement('fallback_key.delete_all', 'DELETE FROM fallback_keys WHERE user_id = $1 AND device_id = $2');

/** The tables `one_time_keys` and `fallback_keys`. */
@Injectable()
export class OneTimeKeyStore {
  readonly #insert = new RowInserter(
    'one_time_key.insert', 'one_time_keys', ['user_id', 'device_id', 'algorithm', 'key_id', 'json'], 'ON CONFLICT DO NOTHING',
  );

  constructor(private readonly db: Database) {}

  /** The keys of these names that the device has uploaded before, also claimed ones. */
  async present(db: Queryable, userId: string, deviceId: string, keys: readonly SessionKey[]): Promise<SessionKey[]> {
    const rows = await db.query<Row>(present, [userId, deviceId, keys.map((k) => k.algorithm), keys.map((k) => k.keyId)]);
    return rows.map((row) => ({ algorithm: row.algorithm, keyId: row.key_id, json: row.json }));
  }

  async insert(db: Queryable, userId: string, deviceId: string, keys: readonly SessionKey[]): Promise<void> {
    await this.#insert.insert(db, keys.map(({ algorithm, keyId, json }) => [userId, deviceId, algorithm, keyId, json]));
  }

  /** Unclaimed keys by algorithm. */
  async counts(db: Queryable, userId: string, deviceId: string): Promise<Record<string, number>> {
    const rows = await db.query<{ algorithm: string; n: number }>(counts, [userId, deviceId]);
    return Object.fromEntries(rows.map((row) => [row.algorithm, row.n]));
  }

  /** Takes the oldest key for each claim; claims without a key are missing in the result. */
  async claim(db: Queryable, claims: readonly KeyClaim[], now: number): Promise<ClaimedKey[]> {
    return (await db.query<Row>(claim, [...columns(claims), now])).map(toKey);
  }

  async claimFallback(db: Queryable, claims: readonly KeyClaim[]): Promise<ClaimedKey[]> {
    return (await db.query<Row>(claimFallback, columns(claims))).map(toKey);
  }

  /** As if all keys had been handed out. */
  async spendAll(now: number): Promise<void> {
    await this.db.query(claimAll, [now]);
    await this.db.query(useAllFallback);
  }

  async forgetClaimed(db: Queryable, userId: string, deviceId: string, before: number): Promise<void> {
    await db.write(forgetClaimed, [userId, deviceId, before]);
  }

  /** Algorithms of which the device has a fallback key that this server has not handed out. */
  async unusedFallback(userId: string, deviceId: string): Promise<string[]> {
    return (await this.db.query<{ algorithm: string }>(unusedFallback, [userId, deviceId])).map((row) => row.algorithm);
  }

  async putFallback(db: Queryable, userId: string, deviceId: string, key: SessionKey): Promise<void> {
    await db.write(upsertFallback, [userId, deviceId, key.algorithm, key.keyId, key.json]);
  }

  /** Sets what another home told; null removes it. */
  async replaceFallback(userId: string, deviceId: string, algorithm: string, key: SessionKey | null): Promise<void> {
    if (key) await this.putFallback(this.db, userId, deviceId, key);
    else await this.db.query(deleteFallback, [userId, deviceId, algorithm]);
  }

  async fallbackOf(userId: string): Promise<ClaimedKey[]> {
    return (await this.db.query<Row>(fallbackOfUser, [userId])).map(toKey);
  }

  async deleteDevice(db: Queryable, userId: string, deviceId: string): Promise<void> {
    await db.write(deleteOneTimeKeys, [userId, deviceId]);
    await db.write(deleteFallbackKeys, [userId, deviceId]);
  }
}

function columns(claims: readonly KeyClaim[]): string[][] {
  return [claims.map((c) => c.userId), claims.map((c) => c.deviceId), claims.map((c) => c.algorithm)];
}

function toKey(row: Row): ClaimedKey {
  return { userId: row.user_id, deviceId: row.device_id, algorithm: row.algorithm, keyId: row.key_id, json: row.json };
}
