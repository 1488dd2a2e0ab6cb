import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { Database, type Queryable, statement } from '../storage/database.js';

const select = statement('profile.get', 'SELECT key, value FROM profiles WHERE user_id = $1');
// Profile changes of one account take turns, so that the size of the whole can be checked.
const lock = statement('profile.lock', 'SELECT 1 AS locked FROM accounts WHERE user_id = $1 FOR UPDATE');
const upsert = statement(
  'profile.upsert',
  `INSERT INTO profiles (user_id, key, value) VALUES ($1, $2, $3)
   ON CONFLICT (user_id, key) DO UPDATE SET value = excluded.value`,
);
const remove = statement('profile.delete', 'DELETE FROM profiles WHERE user_id = $1 AND key = $2 RETURNING key');

/** The table `profiles`. Values are JSON values, not text. */
@Injectable()
export class ProfileStore {
  constructor(private readonly db: Database) {}

  async get(userId: string, db: Queryable = this.db): Promise<Map<string, unknown>> {
    const rows = await db.query<{ key: string; value: string }>(select, [userId]);
    return new Map(rows.map(({ key, value }) => [key, parseStoredJson(value) as unknown]));
  }

  async lock(db: Queryable, userId: string): Promise<void> {
    await db.write(lock, [userId]);
  }

  async set(db: Queryable, userId: string, key: string, value: unknown): Promise<void> {
    await db.write(upsert, [userId, key, JSON.stringify(value)]);
  }

  /** @returns false when there was none */
  async delete(db: Queryable, userId: string, key: string): Promise<boolean> {
    return (await db.query(remove, [userId, key])).length === 1;
  }
}
