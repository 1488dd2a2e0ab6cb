import { Injectable } from '@nestjs/common';
import { Database, longStatement } from '../../storage/database.js';

/** What an operation takes beside its texts: hashes, names, indexes. */
export const OPERATION_BYTES = 600;
const HOUR_MS = 3_600_000;
const size = `(octet_length(o.value) + octet_length(o.op_key) + octet_length(o.after) + ${OPERATION_BYTES})`;
const isKept = `EXISTS (SELECT 1 FROM account_op_items i WHERE i.user_id = o.user_id AND i.kind = o.kind AND i.op_key = o.op_key AND i.log = o.log AND i.line = o.line AND i.n = o.n)`;
const byKey = longStatement(
  'log_sizes.by_key',
  `SELECT key, sum(size)::bigint AS total, coalesce(sum(size) FILTER (WHERE kept), 0)::bigint AS kept
   FROM (SELECT left(o.log, $2) AS key, ${size} AS size, ${isKept} AS kept FROM account_ops o WHERE o.user_id = $1) sized GROUP BY key`,
);
// Of what was replaced the last of each item in each hour: who has stolen a home's key must not be able to push out, by writing much,
// what its log had before, which a cut brings back.
const thin = longStatement(
  'log_sizes.thin',
  `DELETE FROM account_ops t USING (
     SELECT o.log, o.n, o.hash, row_number() OVER (PARTITION BY o.log, o.line, o.kind, o.op_key, o.stored_ts / ${HOUR_MS} ORDER BY o.n DESC) AS nth
     FROM account_ops o WHERE o.user_id = $1 AND NOT ${isKept}
   ) x WHERE t.user_id = $1 AND t.log = x.log AND t.n = x.n AND t.hash = x.hash AND x.nth > 1`,
);
// The newest replaced operations stay as far as they fit.
const trim = longStatement(
  'log_sizes.trim',
  `DELETE FROM account_ops t USING (
     SELECT o.log, o.n, o.hash, sum(${size}) OVER (ORDER BY o.seq DESC) AS newer FROM account_ops o WHERE o.user_id = $1 AND NOT ${isKept}
   ) x WHERE t.user_id = $1 AND t.log = x.log AND t.n = x.n AND t.hash = x.hash AND x.newer > $2`,
);

/** Bytes that the logs of one key take. */
export interface KeySize {
  readonly total: number;
  /** Of operations that items keep; the others were replaced. */
  readonly kept: number;
}

/** Measures the table `account_ops`. */
@Injectable()
export class LogSizesStore {
  constructor(private readonly db: Database) {}

  /** By the beginning of the logs' names, which belongs to a key. */
  async byKey(userId: string, prefixCharacters: number): Promise<Map<string, KeySize>> {
    const rows = await this.db.query<{ key: string; total: number; kept: number }>(byKey, [userId, prefixCharacters]);
    return new Map(rows.map(({ key, total, kept }) => [key, { total: Number(total), kept: Number(kept) }]));
  }

  /** Drops operations that were replaced within the same hour. */
  async thin(userId: string): Promise<void> {
    await this.db.query(thin, [userId]);
  }

  /** Drops the oldest operations that were replaced. */
  async trim(userId: string, maxBytes: number): Promise<void> {
    await this.db.query(trim, [userId, maxBytes]);
  }
}
