import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../storage/database.js';

const select = statement(
  'access_token.get',
  `SELECT t.user_id, t.device_id, t.expires_ts, t.supersedes, a.is_guest, a.is_admin, a.is_suspended, a.is_locked, a.appservice_id
   FROM access_tokens t JOIN accounts a USING (user_id) WHERE t.token_hash = $1 AND a.deactivated_ts IS NULL`,
);
const insert = statement(
  'access_token.insert',
  'INSERT INTO access_tokens (token_hash, user_id, device_id, created_ts, expires_ts, supersedes) VALUES ($1, $2, $3, $4, $5, $6)',
);
const insertRefresh = statement(
  'access_token.insert_refresh',
  'INSERT INTO refresh_tokens (token_hash, user_id, device_id, access_hash, supersedes, line, place) VALUES ($1, $2, $3, $4, $5, $6, $7)',
);
const lockRefresh = statement(
  'access_token.lock_refresh',
  'SELECT user_id, device_id, access_hash, supersedes FROM refresh_tokens WHERE token_hash = $1 FOR UPDATE',
);
const newestOfLine = statement(
  'access_token.newest_of_line', 'SELECT user_id, device_id, place FROM refresh_tokens WHERE line = $1 ORDER BY place DESC LIMIT 1',
);
const removeOne = statement('access_token.delete', 'DELETE FROM access_tokens WHERE token_hash = $1');
const removeOfDevices = statement(
  'access_token.delete_devices',
  'DELETE FROM access_tokens WHERE user_id = $1 AND device_id = ANY($2) RETURNING token_hash',
);
const removeRefreshOfDevices = statement(
  'access_token.delete_refresh_devices',
  'DELETE FROM refresh_tokens WHERE user_id = $1 AND device_id = ANY($2)',
);
const removeOfUser = statement(
  'access_token.delete_user',
  'DELETE FROM access_tokens WHERE user_id = $1 AND token_hash IS DISTINCT FROM $2 RETURNING token_hash',
);
const removeRefreshOfUser = statement(
  'access_token.delete_refresh_user',
  'DELETE FROM refresh_tokens WHERE user_id = $1 AND access_hash IS DISTINCT FROM $2',
);
const removeAll = statement('access_token.delete_everybody', 'DELETE FROM access_tokens RETURNING token_hash');
const removeAllRefresh = statement('access_token.delete_refresh_everybody', 'DELETE FROM refresh_tokens');
const removeSuperseded = statement(
  'access_token.delete_superseded',
  `WITH old AS (DELETE FROM refresh_tokens WHERE token_hash = $1 RETURNING access_hash)
   DELETE FROM access_tokens WHERE token_hash IN (SELECT access_hash FROM old) RETURNING token_hash`,
);
const settleAccess = statement('access_token.settle', 'UPDATE access_tokens SET supersedes = NULL WHERE supersedes = $1');
const settleRefresh = statement('access_token.settle_refresh', 'UPDATE refresh_tokens SET supersedes = NULL WHERE supersedes = $1');
const removeUnused = statement(
  'access_token.delete_unused',
  `WITH unused AS (DELETE FROM refresh_tokens WHERE supersedes = $1 RETURNING access_hash)
   DELETE FROM access_tokens WHERE token_hash IN (SELECT access_hash FROM unused) RETURNING token_hash`,
);

export interface AccessTokenRow {
  user_id: string;
  device_id: string | null;
  expires_ts: number | null;
  supersedes: string | null;
  is_guest: boolean;
  is_admin: boolean;
  is_suspended: boolean;
  is_locked: boolean;
  appservice_id: string | null;
}

export interface RefreshTokenRow {
  user_id: string;
  device_id: string;
  access_hash: string;
  supersedes: string | null;
}

export interface NewTokens {
  readonly userId: string;
  readonly deviceId: string | null;
  readonly accessHash: string;
  readonly refreshHash: string | null;
  /** Where the refresh token is among those of its session; its line as a hash. */
  readonly line: string | null;
  readonly place: number;
  readonly createdTs: number;
  readonly expiresTs: number | null;
  /** Hash of the refresh token that was handed in. */
  readonly supersedes: string | null;
}

const hashes = (rows: { token_hash: string }[]): string[] => rows.map((row) => row.token_hash);

/** The tables `access_tokens` and `refresh_tokens`. Methods that delete return the hashes of the access tokens that are gone. */
@Injectable()
export class AccessTokenStore {
  constructor(private readonly db: Database) {}

  async get(hash: string): Promise<AccessTokenRow | undefined> {
    return (await this.db.query<AccessTokenRow>(select, [hash]))[0];
  }

  async insert(db: Queryable, tokens: NewTokens): Promise<void> {
    const { userId, deviceId, accessHash, refreshHash, line, place, createdTs, expiresTs, supersedes } = tokens;
    await db.write(insert, [accessHash, userId, deviceId, createdTs, expiresTs, supersedes]);
    if (refreshHash !== null) await db.query(insertRefresh, [refreshHash, userId, deviceId, accessHash, supersedes, line, place]);
  }

  /** The refresh token, locked until the transaction ends. */
  async lockRefresh(db: Queryable, hash: string): Promise<RefreshTokenRow | undefined> {
    return (await db.query<RefreshTokenRow>(lockRefresh, [hash]))[0];
  }

  /** The newest refresh token of a line that is still good, with its device; undefined when the session is over. */
  async newestOfLine(db: Queryable, line: string): Promise<{ user_id: string; device_id: string; place: number } | undefined> {
    return (await db.query<{ user_id: string; device_id: string; place: number }>(newestOfLine, [line]))[0];
  }

  async deleteOne(db: Queryable, hash: string): Promise<void> {
    await db.write(removeOne, [hash]);
  }

  async deleteOfDevices(db: Queryable, userId: string, deviceIds: readonly string[]): Promise<string[]> {
    await db.write(removeRefreshOfDevices, [userId, deviceIds]);
    return hashes(await db.query<{ token_hash: string }>(removeOfDevices, [userId, deviceIds]));
  }

  /** Tokens of all accounts; returns the hashes of the access tokens. */
  async deleteAll(tx: Queryable): Promise<string[]> {
    await tx.write(removeAllRefresh);
    return (await tx.query<{ token_hash: string }>(removeAll)).map((row) => row.token_hash);
  }

  /** @param except hash of the one access token that stays */
  async deleteOfUser(db: Queryable, userId: string, except: string | null): Promise<string[]> {
    await db.write(removeRefreshOfUser, [userId, except]);
    return hashes(await db.query<{ token_hash: string }>(removeOfUser, [userId, except]));
  }

  /** Ends a refresh token and the access token that came with it, because what it bought is in use. */
  async deleteSuperseded(db: Queryable, refreshHash: string): Promise<string[]> {
    const gone = hashes(await db.query<{ token_hash: string }>(removeSuperseded, [refreshHash]));
    await db.write(settleAccess, [refreshHash]);
    await db.write(settleRefresh, [refreshHash]);
    return gone;
  }

  /** Ends what a refresh token bought earlier and nobody used. */
  async deleteUnused(db: Queryable, refreshHash: string): Promise<string[]> {
    return hashes(await db.query<{ token_hash: string }>(removeUnused, [refreshHash]));
  }
}
