import { Injectable } from '@nestjs/common';
import { Database, statement, type Queryable } from '../storage/database.js';
import { RowInserter } from '../storage/insert-rows.js';

/** An entry of account data. */
export interface AccountDataEntry {
  readonly userId: string;
  /** Empty for data of the whole account. */
  readonly roomId: string;
  readonly type: string;
  /** JSON text of the content, as stored. */
  readonly json: string;
}

export type AccountDataKey = Pick<AccountDataEntry, 'userId' | 'roomId' | 'type'>;

interface Row {
  user_id: string;
  room_id: string;
  type: string;
  json: string;
}

const columns = 'user_id, room_id, type, json';
const byKey = statement('account_data.get', `SELECT json FROM account_data WHERE user_id = $1 AND room_id = $2 AND type = $3`);
const byKeys = statement(
  'account_data.get_many',
  `SELECT ${columns} FROM account_data
   WHERE (user_id, room_id, type) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))`,
);
const globalAll = statement('account_data.global_all', `SELECT ${columns} FROM account_data WHERE user_id = $1 AND room_id = ''`);
const roomsAll = statement(
  'account_data.rooms_all',
  `SELECT ${columns} FROM account_data WHERE user_id = $1 AND room_id = ANY($2)`,
);
const globalSince = statement(
  'account_data.global_since',
  `SELECT ${columns} FROM account_data WHERE user_id = $1 AND pos > $2 AND room_id = '' ORDER BY pos`,
);
const roomsSince = statement(
  'account_data.rooms_since',
  `SELECT ${columns} FROM account_data WHERE user_id = $1 AND pos > $2 AND room_id <> '' ORDER BY pos`,
);
const everything = statement('account_data.everything', `SELECT ${columns} FROM account_data WHERE user_id = $1`);
const counts = statement(
  'account_data.counts',
  'SELECT user_id, count(*) AS n FROM account_data WHERE user_id = ANY($1) GROUP BY user_id',
);
const removeAll = statement('account_data.remove_all', 'DELETE FROM account_data WHERE user_id = $1');

/** The table `account_data`. Ranges of positions have no upper end: what changed again meanwhile is found where it is now. */
@Injectable()
export class AccountDataStore {
  readonly #upsert = new RowInserter(
    'account_data.upsert',
    'account_data',
    ['user_id', 'room_id', 'type', 'json', 'pos'],
    'ON CONFLICT (user_id, room_id, type) DO UPDATE SET json = excluded.json, pos = excluded.pos',
  );

  constructor(private readonly db: Database) {}

  async get(userId: string, roomId: string, type: string): Promise<string | undefined> {
    return (await this.db.query<Row>(byKey, [userId, roomId, type]))[0]?.json;
  }

  async getMany(tx: Queryable, keys: readonly AccountDataKey[]): Promise<AccountDataEntry[]> {
    const rows = await tx.query<Row>(byKeys, [keys.map((k) => k.userId), keys.map((k) => k.roomId), keys.map((k) => k.type)]);
    return rows.map(entry);
  }

  async global(userId: string, from: number | null): Promise<AccountDataEntry[]> {
    const rows = from === null ? this.db.query<Row>(globalAll, [userId]) : this.db.query<Row>(globalSince, [userId, from]);
    return (await rows).map(entry);
  }

  async rooms(userId: string, from: number | null, roomIds: readonly string[]): Promise<AccountDataEntry[]> {
    const rows = from === null ? this.db.query<Row>(roomsAll, [userId, roomIds]) : this.db.query<Row>(roomsSince, [userId, from]);
    return (await rows).map(entry);
  }

  async everything(userId: string): Promise<AccountDataEntry[]> {
    return (await this.db.query<Row>(everything, [userId])).map(entry);
  }

  /** Number of entries of each account. */
  async counts(tx: Queryable, userIds: readonly string[]): Promise<Map<string, number>> {
    const rows = await tx.query<{ user_id: string; n: number }>(counts, [userIds]);
    return new Map(rows.map((row) => [row.user_id, row.n]));
  }

  /** @param entries no two of the same key */
  async upsert(tx: Queryable, entries: readonly (AccountDataEntry & { readonly pos: number })[]): Promise<void> {
    await this.#upsert.insert(tx, entries.map(({ userId, roomId, type, json, pos }) => [userId, roomId, type, json, pos]));
  }

  async removeAll(userId: string): Promise<void> {
    await this.db.query(removeAll, [userId]);
  }
}

function entry(row: Row): AccountDataEntry {
  return { userId: row.user_id, roomId: row.room_id, type: row.type, json: row.json };
}
