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

const noteChange = statement(
  'profile.note_change',
  `INSERT INTO profile_tellings AS t (user_id, changes) VALUES ($1, 1) ON CONFLICT (user_id) DO UPDATE SET changes = t.changes + 1`,
);
const untold = statement('profile.untold', 'SELECT user_id FROM profile_tellings');
const untoldChanges = statement('profile.untold_changes', 'SELECT changes FROM profile_tellings WHERE user_id = $1');
const told = statement('profile.told', 'DELETE FROM profile_tellings WHERE user_id = $1 AND changes = $2');

/** The tables `profiles` and `profile_tellings`. Values are JSON values, not text. */
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

  /** Notes that the account's rooms are to be told. */
  async noteChange(db: Queryable, userId: string): Promise<void> {
    await db.write(noteChange, [userId]);
  }

  /** Accounts whose rooms are still to be told. */
  async untold(): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(untold)).map((row) => row.user_id);
  }

  /** How many changes were noted; undefined when there are none that are still to be told. */
  async untoldChanges(userId: string): Promise<number | undefined> {
    return (await this.db.query<{ changes: number }>(untoldChanges, [userId]))[0]?.changes;
  }

  /** The rooms were told of so many changes. */
  async told(userId: string, changes: number): Promise<void> {
    await this.db.write(told, [userId, changes]);
  }
}
