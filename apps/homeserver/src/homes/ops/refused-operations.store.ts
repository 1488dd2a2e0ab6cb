import { Injectable } from '@nestjs/common';
import type { HeldOperation } from '#federation';
import { Database, statement } from '../../storage/database.js';

/** Operations before the end of a log that one request may have written. */
const MAX_WRITTEN = 1_000;
const set = statement(
  'refused_op.set', 'UPDATE account_ops SET refused = $5 WHERE user_id = $1 AND log = $2 AND n = $3 AND hash = $4 AND refused IS DISTINCT FROM $5',
);
// What an item has kept something newer for is refused no more.
const latest = statement(
  'refused_op.latest',
  `SELECT o.log, o.n, o.refused FROM account_ops o JOIN account_op_items i ON i.user_id = o.user_id AND i.log = o.log AND i.n = o.n AND i.hash = o.hash
   WHERE o.user_id = $1 AND o.refused IS NOT NULL ORDER BY o.seq DESC LIMIT $2`,
);
const firstSince = statement(
  'refused_op.first_since', 'SELECT min(n) AS n FROM account_ops WHERE user_id = $1 AND log = $2 AND n > $3 AND stored_ts >= $4',
);

/** Operations that are held, so that their logs go on, and that the account's data did not take (protocol §4, "Exchange"). */
@Injectable()
export class RefusedOperationsStore {
  constructor(private readonly db: Database) {}

  /** Notes why the account's data did not take an operation, or null when it has. */
  async set({ op, hash }: HeldOperation, why: string | null): Promise<void> {
    await this.db.query(set, [op.user_id, op.log, op.n, hash, why]);
  }

  /** The latest ones. */
  async latest(userId: string, limit: number): Promise<[log: string, n: number, why: string][]> {
    const rows = await this.db.query<{ log: string; n: number; refused: string }>(latest, [userId, limit]);
    return rows.map((row) => [row.log, row.n, row.refused]);
  }

  /** Number of the first operation of a log that was stored since then, of the last ones before its end; the end when there is none. */
  async firstSince(userId: string, log: string, end: number, ts: number): Promise<number> {
    const [row] = await this.db.query<{ n: number | null }>(firstSince, [userId, log, end - MAX_WRITTEN, ts]);
    return row?.n ?? end;
  }
}
