import { Injectable } from '@nestjs/common';
import { canonicalJson, genesisHash, hearRecord, type HeardKeys, type HeardRecords, type HomeRecord } from '#federation';
import { parseStoredJson } from '#json';
import { Database, type Queryable, statement } from '../../storage/database.js';

const columns = 'record, rivals, home_keys, genesis_sha256, epoch, seq, is_endorsed, is_provisional, is_equivocal, is_disputed, is_kept';
const select = statement('account_record.get', `SELECT ${columns} FROM account_records WHERE user_id = $1`);
const selectMany = statement('account_record.many', 'SELECT record, rivals, home_keys FROM account_records WHERE user_id = ANY($1) AND record IS NOT NULL');
const selectLocal = statement(
  'account_record.local',
  'SELECT r.record, r.rivals, r.home_keys FROM account_records r JOIN accounts a ON a.user_id = r.user_id WHERE r.record IS NOT NULL',
);
const selectAbsent = statement(
  'account_record.absent',
  `SELECT r.record, r.rivals, r.home_keys FROM account_records r JOIN home_keys k ON k.user_id = r.user_id
   WHERE r.record IS NOT NULL AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = r.user_id)`,
);
const upsert = statement(
  'account_record.put',
  `INSERT INTO account_records (user_id, record, genesis_sha256, epoch, seq, is_endorsed, is_provisional, is_equivocal, is_disputed, is_kept, updated_ts, rivals, home_keys)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
   ON CONFLICT (user_id) DO UPDATE SET record = $2, genesis_sha256 = $3, epoch = $4, seq = $5, is_endorsed = $6, is_provisional = $7,
     is_equivocal = $8, is_disputed = $9, is_kept = $10, updated_ts = $11, rivals = $12, home_keys = $13`,
);
const dispute = statement('account_record.dispute', 'UPDATE account_records SET is_disputed = true WHERE user_id = $1');
// Whoever has come to matter since is kept: the row says what it was when the record came.
const forgetRecords = statement(
  'account_record.forget_records',
  `UPDATE account_records SET record = NULL, rivals = '[]' WHERE user_id IN (
     SELECT user_id FROM account_records WHERE NOT is_kept AND record IS NOT NULL ORDER BY updated_ts DESC OFFSET $1 LIMIT 1000)
   AND user_id NOT IN (SELECT user_id FROM accounts) RETURNING user_id`,
);
const forgetPins = statement(
  'account_record.forget_pins',
  `DELETE FROM account_records WHERE user_id IN (
     SELECT user_id FROM account_records WHERE NOT is_kept AND record IS NULL ORDER BY updated_ts DESC OFFSET $1 LIMIT 1000) RETURNING user_id`,
);
const keep = statement('account_record.keep', 'UPDATE account_records SET is_kept = true WHERE user_id = $1');

/** What a name is pinned to, and the version of the highest record seen. Outlives the record itself. */
export interface RecordPin {
  readonly genesisSha256: string;
  readonly epoch: number;
  readonly seq: number;
  /** The name proves the genesis or the domain has endorsed it; else it gives way to a proven one. */
  readonly isEndorsed: boolean;
  /** The endorsement is not final: it gives way to one that supersedes it. */
  readonly isProvisional: boolean;
  /** The account key has signed two records of one version. */
  readonly isEquivocal: boolean;
  /** The domain has stood for a second genesis of the name as well. */
  readonly isDisputed: boolean;
  /** The account lives here, shares a room or is a contact. */
  readonly isKept: boolean;
}

/** A home record with what is known about it; the record of a stranger may have been forgotten, with its rivals. */
export interface KnownRecord extends RecordPin {
  readonly record: HomeRecord | null;
  readonly rivals: readonly HomeRecord[];
  readonly keys: HeardKeys;
}

/** One that is here. */
export type FreshRecord = KnownRecord & HeardRecords;

/** How a record that has just been taken is known. */
export function knownRecord(record: HomeRecord, about: Partial<Omit<KnownRecord, 'record'>> = {}): FreshRecord {
  return {
    ...hearRecord(undefined, record), isEndorsed: true, isEquivocal: false, isDisputed: false, isKept: true, ...about,
    record, genesisSha256: genesisHash(record.genesis), epoch: record.epoch, seq: record.seq,
    isProvisional: record.endorsement_terms?.provisional === true,
  };
}

interface HeardRow {
  record: string;
  rivals: string;
  home_keys: string;
}

interface Row extends Omit<HeardRow, 'record'> {
  record: string | null;
  genesis_sha256: string;
  epoch: number;
  seq: number;
  is_endorsed: boolean;
  is_provisional: boolean;
  is_equivocal: boolean;
  is_disputed: boolean;
  is_kept: boolean;
}

/** The table `account_records`. */
@Injectable()
export class AccountRecordStore {
  constructor(private readonly db: Database) {}

  async get(userId: string): Promise<KnownRecord | undefined> {
    const [row] = await this.db.query<Row & Record<string, unknown>>(select, [userId]);
    return row && {
      record: row.record === null ? null : parse(row.record), rivals: parseStoredJson(row.rivals) as HomeRecord[], keys: parseStoredJson(row.home_keys) as HeardKeys,
      genesisSha256: row.genesis_sha256, epoch: row.epoch, seq: row.seq,
      isEndorsed: row.is_endorsed, isProvisional: row.is_provisional, isEquivocal: row.is_equivocal, isDisputed: row.is_disputed, isKept: row.is_kept,
    };
  }

  async many(userIds: readonly string[]): Promise<HeardRecords[]> {
    return (await this.db.query<HeardRow & Record<string, unknown>>(selectMany, [userIds])).map(heardOf);
  }

  /** The records of all accounts on this server. */
  async ofLocalAccounts(): Promise<HeardRecords[]> {
    return (await this.db.query<HeardRow & Record<string, unknown>>(selectLocal)).map(heardOf);
  }

  /** The records of accounts that are not on this server and for which it has made a key. */
  async ofAbsentAccounts(): Promise<HeardRecords[]> {
    return (await this.db.query<HeardRow & Record<string, unknown>>(selectAbsent)).map(heardOf);
  }

  async put(db: Queryable, known: FreshRecord, now: number): Promise<void> {
    const { record, rivals, keys, genesisSha256, epoch, seq } = known;
    await db.write(upsert, [
      record.user_id, canonicalJson(record), genesisSha256, epoch, seq, known.isEndorsed, known.isProvisional, known.isEquivocal,
      known.isDisputed, known.isKept, now, canonicalJson(rivals), JSON.stringify(keys),
    ]);
  }

  /** Notes that the domain has stood for two geneses of the name. */
  async dispute(userId: string): Promise<void> {
    await this.db.query(dispute, [userId]);
  }

  /** The account is no stranger any more. */
  async keep(userId: string): Promise<void> {
    await this.db.query(keep, [userId]);
  }

  /**
   * Forgets the records of strangers beyond the newest `records`, and their pins beyond the newest `pins`.
   *
   * @returns the accounts of which something was forgotten
   */
  async forgetStrangers(records: number, pins: number): Promise<string[]> {
    const forgotten = await this.db.query<{ user_id: string }>(forgetRecords, [records]);
    const gone = await this.db.query<{ user_id: string }>(forgetPins, [pins]);
    return [...forgotten, ...gone].map((row) => row.user_id);
  }
}

const parse = (text: string): HomeRecord => parseStoredJson(text) as HomeRecord;

function heardOf({ record, rivals, home_keys: keys }: HeardRow): HeardRecords {
  return { record: parse(record), rivals: parseStoredJson(rivals) as HomeRecord[], keys: parseStoredJson(keys) as HeardKeys };
}
