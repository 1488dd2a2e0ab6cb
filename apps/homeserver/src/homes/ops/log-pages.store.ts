import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';

/** Lines that are read at once; of more, those with what was taken first. */
const MAX_LINES = 64;
const size = 'octet_length(o.value) + octet_length(o.op_key) + octet_length(o.after)';
const ofLines = (columns: string): string => `FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS w (log, line, low, high)
  CROSS JOIN LATERAL (SELECT ${columns} FROM account_ops o WHERE o.user_id = $1 AND o.log = w.log AND o.n > w.low AND o.n <= w.high AND o.line = w.line
    ORDER BY o.n LIMIT $6) t`;
const first = statement('log_page.first', `SELECT w.log, w.line, t.seq ${ofLines('o.seq')} ORDER BY t.seq LIMIT ${MAX_LINES + 1}`);
// Sizes, for which large values need not be read from where they are kept.
const after = statement('log_page.after', `SELECT t.* ${ofLines(`o.log, o.line, o.n, o.hash, o.seq, ${size} AS size`)} ORDER BY t.seq`);

/** A stretch of a line: numbers above `low`, up to `high`. */
export interface LineStretch {
  readonly log: string;
  readonly line: number;
  readonly low: number;
  readonly high: number;
}

/** An operation without its contents. */
export interface PagedOperation {
  readonly log: string;
  readonly line: number;
  readonly n: number;
  readonly hash: string;
  /** Order in which this server took it. */
  readonly seq: number;
  /** Bytes of its value, key and `after`. */
  readonly size: number;
}

/** Finds what fits into a page of an account's logs, without reading what does not. */
@Injectable()
export class LogPagesStore {
  constructor(private readonly db: Database) {}

  /**
   * Operations of these stretches in the order in which they were taken, at most so many of each.
   *
   * @returns `isAll`: no stretch was left out for there being too many; what was taken after the first one of those is left out, too
   */
  async after(userId: string, stretches: readonly LineStretch[], limit: number): Promise<{ list: PagedOperation[]; isAll: boolean }> {
    if (stretches.length <= MAX_LINES) return { list: await this.#list(userId, stretches, limit), isAll: true };
    const starts = await this.db.query<{ log: string; line: number; seq: number }>(first, parameters(userId, stretches, 1));
    const chosen = new Set(starts.slice(0, MAX_LINES).map(({ log, line }) => `${log} ${line}`));
    const before = starts[MAX_LINES]?.seq ?? Infinity;
    const list = await this.#list(userId, stretches.filter(({ log, line }) => chosen.has(`${log} ${line}`)), limit);
    return { list: list.filter(({ seq }) => seq < before), isAll: before === Infinity };
  }

  async #list(userId: string, stretches: readonly LineStretch[], limit: number): Promise<PagedOperation[]> {
    return stretches.length === 0 ? [] : this.db.query<PagedOperation & Record<string, unknown>>(after, parameters(userId, stretches, limit));
  }
}

function parameters(userId: string, stretches: readonly LineStretch[], limit: number): unknown[] {
  const of = <T>(read: (one: LineStretch) => T): T[] => stretches.map(read);
  return [userId, of(({ log }) => log), of(({ line }) => line), of(({ low }) => low), of(({ high }) => high), limit];
}
