import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../../storage/database.js';

const selectKey = statement('home_key.get', 'SELECT key_id, seed FROM home_keys WHERE user_id = $1');
const insertKey = statement(
  'home_key.insert',
  'INSERT INTO home_keys (user_id, key_id, seed, created_ts) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING user_id',
);
const selectDropped = statement('home_key.is_dropped', 'SELECT is_dropped FROM home_keys WHERE user_id = $1');
const drop = statement('home_key.drop', 'UPDATE home_keys SET is_dropped = true WHERE user_id = $1');
const replaceDropped = statement(
  'home_key.replace_dropped',
  'UPDATE home_keys SET key_id = $2, seed = $3, created_ts = $4, is_dropped = false WHERE user_id = $1 AND is_dropped RETURNING user_id',
);
const selectLeftovers = statement('home_key.has_leftovers', 'SELECT 1 FROM home_keys WHERE user_id = $1 AND coalesce(erased_epoch < $2, true)');
const erased = statement('home_key.erased', 'UPDATE home_keys SET erased_epoch = $2 WHERE user_id = $1');
const selectCustody = statement('custody_key.get', 'SELECT account_seed, recovery_seed FROM custody_keys WHERE user_id = $1');
const insertCustody = statement('custody_key.insert', 'INSERT INTO custody_keys (user_id, account_seed, recovery_seed) VALUES ($1, $2, $3)');
const deleteCustody = statement('custody_key.delete', 'DELETE FROM custody_keys WHERE user_id = $1');

export interface StoredKey {
  readonly keyId: string;
  readonly seed: Buffer;
}

/** Seeds of keys that this server holds in place of a person. */
export interface CustodySeeds {
  readonly account: Buffer;
  readonly recovery: Buffer;
}

/** The tables `home_keys` and `custody_keys`. */
@Injectable()
export class HomeKeyStore {
  constructor(private readonly db: Database) {}

  async key(db: Queryable, userId: string): Promise<StoredKey | undefined> {
    const [row] = await db.query<{ key_id: string; seed: Buffer }>(selectKey, [userId]);
    return row && { keyId: row.key_id, seed: row.seed };
  }

  /** @returns false when the account has a key here already */
  async insertKey(db: Queryable, userId: string, key: StoredKey, now: number): Promise<boolean> {
    return (await db.query(insertKey, [userId, key.keyId, key.seed, now])).length === 1;
  }

  /** A record has dropped the key of this server. */
  async drop(db: Queryable, userId: string): Promise<void> {
    await db.write(drop, [userId]);
  }

  async isDropped(userId: string): Promise<boolean> {
    return (await this.db.query<{ is_dropped: boolean }>(selectDropped, [userId]))[0]?.is_dropped ?? false;
  }

  /** @returns false when the account's key was not dropped */
  async replaceDropped(db: Queryable, userId: string, key: StoredKey, now: number): Promise<boolean> {
    return (await db.query(replaceDropped, [userId, key.keyId, key.seed, now])).length === 1;
  }

  /** Of an account that ended with this epoch, and is not here any more. */
  async hasLeftovers(userId: string, epoch: number): Promise<boolean> {
    return (await this.db.query(selectLeftovers, [userId, epoch])).length > 0;
  }

  async erased(userId: string, epoch: number): Promise<void> {
    await this.db.query(erased, [userId, epoch]);
  }

  async custody(userId: string): Promise<CustodySeeds | undefined> {
    const [row] = await this.db.query<{ account_seed: Buffer; recovery_seed: Buffer }>(selectCustody, [userId]);
    return row && { account: row.account_seed, recovery: row.recovery_seed };
  }

  async insertCustody(db: Queryable, userId: string, seeds: CustodySeeds): Promise<void> {
    await db.write(insertCustody, [userId, seeds.account, seeds.recovery]);
  }

  async deleteCustody(db: Queryable, userId: string): Promise<void> {
    await db.write(deleteCustody, [userId]);
  }
}
