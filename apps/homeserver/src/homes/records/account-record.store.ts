import { Injectable } from '@nestjs/common';
import { canonicalJson, type HomeRecord } from '#federation';
import { Database, type Queryable, statement } from '../../storage/database.js';

const select = statement('account_record.get', 'SELECT record, is_endorsed, is_equivocal FROM account_records WHERE user_id = $1');
const selectMany = statement('account_record.many', 'SELECT record FROM account_records WHERE user_id = ANY($1)');
const selectLocal = statement(
  'account_record.local',
  'SELECT r.record FROM account_records r JOIN accounts a ON a.user_id = r.user_id',
);
const selectAbsent = statement(
  'account_record.absent',
  `SELECT r.record FROM account_records r JOIN home_keys k ON k.user_id = r.user_id
   WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = r.user_id)`,
);
const upsert = statement(
  'account_record.put',
  `INSERT INTO account_records (user_id, record, is_endorsed, is_equivocal, updated_ts) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (user_id) DO UPDATE SET record = $2, is_endorsed = $3, is_equivocal = $4, updated_ts = $5`,
);

/** A home record with what is known about it. */
export interface KnownRecord {
  readonly record: HomeRecord;
  /** The name proves the genesis or the domain has endorsed it. */
  readonly isEndorsed: boolean;
  /** The account key has signed two records of one version. */
  readonly isEquivocal: boolean;
}

/** The table `account_records`. */
@Injectable()
export class AccountRecordStore {
  constructor(private readonly db: Database) {}

  async get(userId: string): Promise<KnownRecord | undefined> {
    const [row] = await this.db.query<{ record: string; is_endorsed: boolean; is_equivocal: boolean }>(select, [userId]);
    return row && { record: parse(row.record), isEndorsed: row.is_endorsed, isEquivocal: row.is_equivocal };
  }

  async many(userIds: readonly string[]): Promise<HomeRecord[]> {
    return (await this.db.query<{ record: string }>(selectMany, [userIds])).map((row) => parse(row.record));
  }

  /** The records of all accounts on this server. */
  async ofLocalAccounts(): Promise<HomeRecord[]> {
    return (await this.db.query<{ record: string }>(selectLocal)).map((row) => parse(row.record));
  }

  /** The records of accounts that are not on this server and for which it has made a key. */
  async ofAbsentAccounts(): Promise<HomeRecord[]> {
    return (await this.db.query<{ record: string }>(selectAbsent)).map((row) => parse(row.record));
  }

  async put(db: Queryable, known: KnownRecord, now: number): Promise<void> {
    const { record, isEndorsed, isEquivocal } = known;
    await db.query(upsert, [record.user_id, canonicalJson(record), isEndorsed, isEquivocal, now]);
  }
}

const parse = (text: string): HomeRecord => JSON.parse(text) as HomeRecord;
