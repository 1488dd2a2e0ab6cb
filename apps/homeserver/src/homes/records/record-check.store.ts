import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { Database, statement, type Queryable } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

const select = statement('record_check.get', 'SELECT sha256, checked_ts, is_confirmed, discounted FROM record_checks WHERE user_id = $1');
const rows = new RowInserter(
  'record_check.put',
  'record_checks',
  ['user_id', 'sha256', 'checked_ts', 'is_confirmed', 'discounted'],
  `ON CONFLICT (user_id) DO UPDATE SET
     sha256 = excluded.sha256, checked_ts = excluded.checked_ts, is_confirmed = excluded.is_confirmed, discounted = excluded.discounted`,
);

/** When an account's record was last asked after, and with what result. */
export interface RecordCheck {
  readonly userId: string;
  /** Hash of the record. */
  readonly sha256: string;
  /** Milliseconds. */
  readonly checkedTs: number;
  readonly isConfirmed: boolean;
  /** Servers whose word does not confirm it: who brought it, and homes that it or the one before dropped. */
  readonly discounted: readonly string[];
}

/** The table `record_checks`. */
@Injectable()
export class RecordCheckStore {
  constructor(private readonly db: Database) {}

  async get(userId: string): Promise<RecordCheck | undefined> {
    type Row = { sha256: string; checked_ts: number; is_confirmed: boolean; discounted: string };
    const [row] = await this.db.query<Row>(select, [userId]);
    return row && {
      userId, sha256: row.sha256, checkedTs: row.checked_ts, isConfirmed: row.is_confirmed, discounted: parseStoredJson(row.discounted) as string[],
    };
  }

  async put(checks: readonly RecordCheck[], db: Queryable = this.db): Promise<void> {
    await rows.insert(db, checks.map((check) => [check.userId, check.sha256, check.checkedTs, check.isConfirmed, JSON.stringify(check.discounted)]));
  }
}
