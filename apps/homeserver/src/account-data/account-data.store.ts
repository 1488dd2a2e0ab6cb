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

/** What account data takes. */
export interface AccountDataSize {
  readonly bytes: number;
  readonly entries: number;
}

export type AccountDataKey = Pick<AccountDataEntry, 'userId' | 'roomId' | 'type'>;

interface Row {
  user_id: string;
  room_id: string;
  type: string;
  json: string;
}

/** Bytes of contents that are read at once. */
const MAX_READ_BYTES = 20 * 1024 * 1024;

const columns = 'user_id, room_id, type, json';
const byKey = statement('account_data.get', `SELECT json FROM account_data WHERE user_id = $1 AND room_id = $2 AND type = $3`);
const byKeys = statement(
  'account_data.get_many',
  `SELECT ${columns} FROM account_data
   WHERE (user_id, room_id, type) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))`,
);
/** Newest first, up to so many bytes: no account holds more, unless it was filled before there was a bound. */
const bounded = (name: string, where: string) => statement(
  `account_data.${name}`,
  `SELECT ${columns} FROM (
     SELECT *, sum(octet_length(json)) OVER (ORDER BY pos DESC) AS total FROM account_data WHERE user_id = $1 AND ${where}
   ) e WHERE total <= ${MAX_READ_BYTES} ORDER BY pos`,
);
const globalAll = bounded('global_all', "room_id = ''");
const roomsAll = bounded('rooms_all', 'room_id = ANY($2)');
const globalSince = bounded('global_since', "pos > $2 AND room_id = ''");
const roomsSince = bounded('rooms_since', "pos > $2 AND room_id <> ''");
const ofType = statement('account_data.of_type', `SELECT ${columns} FROM account_data WHERE user_id = $1 AND type = $2 AND room_id <> ''`);
const everything = statement('account_data.everything', `SELECT ${columns} FROM account_data WHERE user_id = $1`);
const grow = statement(
  'account_data.grow',
  `INSERT INTO account_data_sizes AS s (user_id, bytes, entries) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
   ON CONFLICT (user_id) DO UPDATE SET bytes = s.bytes + excluded.bytes, entries = s.entries + excluded.entries
   RETURNING user_id, bytes, entries`,
);
const removeAll = statement(
  'account_data.remove_all', 'WITH sizes AS (DELETE FROM account_data_sizes WHERE user_id = $1) DELETE FROM account_data WHERE user_id = $1',
);

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

  /** The entries of a type, of all rooms. */
  async ofType(userId: string, type: string): Promise<AccountDataEntry[]> {
    return (await this.db.query<Row>(ofType, [userId, type])).map(entry);
  }

  async everything(userId: string): Promise<AccountDataEntry[]> {
    return (await this.db.query<Row>(everything, [userId])).map(entry);
  }

  /** Notes by how much the data of accounts has grown or shrunk. @returns what each holds now */
  async grow(tx: Queryable, growth: ReadonlyMap<string, AccountDataSize>): Promise<Map<string, AccountDataSize>> {
    const sizes = [...growth.values()];
    const rows = await tx.query<{ user_id: string } & AccountDataSize>(
      grow, [[...growth.keys()], sizes.map((size) => size.bytes), sizes.map((size) => size.entries)],
    );
    return new Map(rows.map(({ user_id: userId, bytes, entries }) => [userId, { bytes, entries }]));
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
