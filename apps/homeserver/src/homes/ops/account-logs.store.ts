import { Injectable } from '@nestjs/common';
import { LogLines, type LogLine, type LogPlace } from '#federation';
import { Database, type Queryable, statement, type Transaction } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

const columns = [
  'user_id', 'log', 'line', 'parent', 'from_n', 'first_hash', 'beside', 'n', 'hash', 'counted_n', 'counted_hash', 'key', 'is_own',
  'is_provisional', 'head_n', 'head_hash', 'head_signature',
];
const list = columns.join(', ');
const select = statement('account_log.of', `SELECT ${list} FROM account_logs WHERE user_id = $1 ORDER BY log, line`);
const lockMany = statement('account_log.lock', `SELECT ${list} FROM account_logs WHERE user_id = ANY($1) ORDER BY user_id, log, line FOR UPDATE`);
const begin = statement('account_log.begin', `INSERT INTO account_log_kinds (user_id, kinds) VALUES ($1, '{}') ON CONFLICT (user_id) DO UPDATE SET kinds = account_log_kinds.kinds`);
const disown = statement('account_log.disown', 'UPDATE account_logs SET is_own = false WHERE is_own AND ($1::text IS NULL OR user_id = $1)');
const disownCut = statement('account_log.disown_cut', 'UPDATE account_logs SET is_own = false WHERE is_own AND user_id = $1 AND log = ANY($2)');
const settle = statement('account_log.settle', 'UPDATE account_logs SET is_provisional = false WHERE user_id = $1 AND is_provisional RETURNING line');
const forget = ['account_logs', 'account_ops', 'account_op_items', 'account_op_peers', 'account_log_kinds', 'account_op_unsettled'].map((table) => statement(`account_log.forget_${table}`, `DELETE FROM ${table} WHERE user_id = $1`));
const drop = ['account_logs', 'account_ops', 'account_op_items'].map((table) => statement(`account_log.drop_${table}`, `DELETE FROM ${table} WHERE user_id = $1 AND log = ANY($2)`));
const dropLines = ['account_logs', 'account_ops', 'account_op_items'].map((table) => statement(`account_log.drop_lines_${table}`, `DELETE FROM ${table} WHERE user_id = $1 AND log = $2 AND line = ANY($3)`));
const setHead = statement(
  'account_log.head',
  `UPDATE account_logs SET head_n = $4, head_hash = $5, head_signature = $6 WHERE user_id = $1 AND log = $2 AND line = $3 AND head_n < $4`,
);
const kinds = statement('account_log.kinds', 'SELECT kinds FROM account_log_kinds WHERE user_id = $1');
const addKinds = statement(
  'account_log.add_kinds',
  `INSERT INTO account_log_kinds (user_id, kinds) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET kinds = account_log_kinds.kinds || excluded.kinds`,
);
const rows = new RowInserter(
  'account_log.put', 'account_logs', columns,
  `ON CONFLICT (user_id, log, line) DO UPDATE SET n = excluded.n, hash = excluded.hash, counted_n = excluded.counted_n,
   counted_hash = excluded.counted_hash, is_own = excluded.is_own, is_provisional = excluded.is_provisional`,
);

/** A line of a log with what is known about it. */
export interface StoredLine extends LogLine {
  readonly userId: string;
  readonly log: string;
  readonly counted: LogPlace;
  /** Public key of the log. */
  readonly key: string;
  readonly isOwn: boolean;
  readonly isProvisional: boolean;
  readonly head: { readonly n: number; readonly hash: string; readonly signature: string };
}

interface Row {
  user_id: string; log: string; line: number; parent: number | null; from_n: number; first_hash: string; beside: string | null;
  n: number; hash: string; counted_n: number; counted_hash: string; key: string; is_own: boolean; is_provisional: boolean;
  head_n: number; head_hash: string; head_signature: string;
}

/** The table `account_logs`: where each log of each account ends. */
@Injectable()
export class AccountLogsStore {
  constructor(private readonly db: Database) {}

  async of(userId: string, db: Queryable = this.db): Promise<StoredLine[]> {
    return (await db.query<Row>(select, [userId])).map(stored);
  }

  /** The lines of accounts; other transactions of these accounts wait. */
  async lock(tx: Transaction, userIds: readonly string[]): Promise<StoredLine[]> {
    return (await tx.query<Row>(lockMany, [userIds])).map(stored);
  }

  /** Lets one transaction at a time begin a log of the account. */
  async begin(tx: Transaction, userId: string): Promise<void> {
    await tx.write(begin, [userId]);
  }

  async put(db: Queryable, lines: readonly StoredLine[]): Promise<void> {
    await rows.insert(db, lines.map((line) => [
      line.userId, line.log, line.id, line.parent, line.from, line.first, line.beside, line.n, line.hash, line.counted[0], line.counted[1],
      line.key, line.isOwn, line.isProvisional, line.head.n, line.head.hash, line.head.signature,
    ]));
  }

  async setHead(userId: string, log: string, line: number, head: StoredLine['head']): Promise<void> {
    await this.db.query(setHead, [userId, log, line, head.n, head.hash, head.signature]);
  }

  /** The next operation of an account, or of all, begins a new log. */
  async disown(db: Queryable, userId: string | null): Promise<void> {
    await db.write(disown, [userId]);
  }

  /** The same, if the account's present log is one of these. */
  async disownSome(db: Queryable, userId: string, logs: readonly string[]): Promise<void> {
    await db.write(disownCut, [userId, logs]);
  }

  /** What came with copies is believed from now on. @returns whether there was such */
  async settle(userId: string): Promise<boolean> {
    return (await this.db.query(settle, [userId])).length > 0;
  }

  async kinds(userId: string): Promise<string[]> {
    return (await this.db.query<{ kinds: string[] }>(kinds, [userId]))[0]?.kinds ?? [];
  }

  async addKinds(db: Queryable, userId: string, added: readonly string[]): Promise<void> {
    await db.write(addKinds, [userId, added]);
  }

  /** All that is kept of some logs, which never count. */
  async drop(db: Queryable, userId: string, logs: readonly string[]): Promise<void> {
    for (const one of drop) await db.query(one, [userId, logs]);
  }

  /** All that is kept of some lines of a log, which never count. */
  async dropLines(db: Queryable, userId: string, log: string, lines: readonly number[]): Promise<void> {
    for (const one of dropLines) await db.query(one, [userId, log, lines]);
  }

  /** All that is kept of the logs of an account. */
  async forget(db: Queryable, userId: string): Promise<void> {
    for (const one of forget) await db.query(one, [userId]);
  }
}

/** Lines by log. */
export function linesByLog(lines: readonly StoredLine[]): Map<string, LogLines> {
  const logs = new Map<string, LogLines>();
  for (const line of lines) logs.set(line.log, logs.get(line.log) ?? new LogLines());
  for (const line of lines) logs.get(line.log)!.set(line);
  return logs;
}

/** Ends of what counts by log, from the stored lines alone. */
export function countedEnds(lines: readonly StoredLine[]): Map<string, LogPlace[]> {
  const ends = new Map<string, LogPlace[]>();
  for (const [log, shape] of linesByLog(lines)) {
    const own = lines.filter((line) => line.log === log);
    const coverage = new Map(own.filter((line) => line.counted[0] > 0).map((line) => [line.id, line.counted[0]]));
    const places = shape.ends(coverage, ({ line }) => own.find(({ id }) => id === line)?.counted[1]);
    if (places.length > 0) ends.set(log, places);
  }
  return ends;
}

function stored(row: Row): StoredLine {
  return {
    userId: row.user_id, log: row.log, id: row.line, parent: row.parent, from: row.from_n, first: row.first_hash, beside: row.beside,
    n: row.n, hash: row.hash, counted: [row.counted_n, row.counted_hash], key: row.key, isOwn: row.is_own,
    isProvisional: row.is_provisional, head: { n: row.head_n, hash: row.head_hash, signature: row.head_signature },
  };
}
