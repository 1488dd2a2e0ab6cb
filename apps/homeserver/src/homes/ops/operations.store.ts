import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement, type Transaction } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';
import type { Operation, Vector } from './operation.js';

const columns = 'user_id, home, n, hlc, kind, op_key, value, signature';
const advance = statement(
  'account_op.advance',
  `INSERT INTO account_op_heads (user_id, home, n) VALUES ($1, $2, $3)
   ON CONFLICT (user_id, home) DO UPDATE SET n = account_op_heads.n + $3 RETURNING n`,
);
const raise = statement(
  'account_op.raise',
  `INSERT INTO account_op_heads (user_id, home, n) VALUES ($1, $2, $3)
   ON CONFLICT (user_id, home) DO UPDATE SET n = greatest(account_op_heads.n, $3)`,
);
const heads = statement('account_op.heads', 'SELECT home, n FROM account_op_heads WHERE user_id = $1');
const operations = new RowInserter(
  'account_op.insert', 'account_ops', [...columns.split(', '), 'stored_ts'], 'ON CONFLICT DO NOTHING',
);
const winners = new RowInserter(
  'account_op.winners',
  'account_op_winners',
  ['user_id', 'kind', 'op_key', 'hlc', 'home', 'is_removed'],
  `ON CONFLICT (user_id, kind, op_key) DO UPDATE SET hlc = excluded.hlc, home = excluded.home, is_removed = excluded.is_removed
   WHERE (account_op_winners.hlc COLLATE "C", account_op_winners.home COLLATE "C") < (excluded.hlc COLLATE "C", excluded.home COLLATE "C")`,
);
const winner = statement('account_op.winner', 'SELECT hlc, home FROM account_op_winners WHERE user_id = $1 AND kind = $2 AND op_key = $3');
const winnersOf = statement('account_op.winners_of', 'SELECT kind, op_key, hlc, home, is_removed FROM account_op_winners WHERE user_id = $1');
const byWriter = statement(
  'account_op.by_writer',
  `SELECT ${columns} FROM account_ops WHERE user_id = $1 AND kind = $2 AND op_key = $3 AND home = $4 AND hlc = $5`,
);
const after = statement(
  'account_op.after',
  `SELECT ${columns} FROM account_ops WHERE user_id = $1 AND home = $2 AND n > $3 ORDER BY n LIMIT $4`,
);
const lastReading = statement('account_op.last_reading', 'SELECT max(hlc COLLATE "C") AS hlc FROM account_ops');
const ack = statement('account_op.ack', 'SELECT n FROM account_op_acks WHERE user_id = $1 AND destination = $2');
const setAck = statement(
  'account_op.set_ack',
  `INSERT INTO account_op_acks (user_id, destination, n) VALUES ($1, $2, $3) ON CONFLICT (user_id, destination) DO UPDATE SET n = $3`,
);
const purgeOperations = statement('account_op.purge', 'DELETE FROM account_ops WHERE stored_ts < $1');
const purgeTombstones = statement(
  'account_op.purge_tombstones',
  'DELETE FROM account_op_winners WHERE is_removed AND hlc COLLATE "C" < $1',
);

interface Row {
  user_id: string;
  home: string;
  n: number;
  hlc: string;
  kind: string;
  op_key: string;
  value: string;
  signature: string;
}

/** Which operation won for an item. */
export interface Winner {
  readonly kind: string;
  readonly key: string;
  readonly hlc: string;
  readonly home: string;
  readonly isRemoved: boolean;
}

/** The tables of the operation log. */
@Injectable()
export class OperationsStore {
  constructor(private readonly db: Database) {}

  /** Takes the next `count` numbers of a home; other transactions of the account wait. @returns the last of them */
  async advance(tx: Transaction, userId: string, home: string, count: number): Promise<number> {
    return (await tx.query<{ n: number }>(advance, [userId, home, count]))[0]!.n;
  }

  /** Notes that a home's operations up to `n` are here. */
  async raise(db: Queryable, userId: string, home: string, n: number): Promise<void> {
    await db.query(raise, [userId, home, n]);
  }

  async vector(userId: string): Promise<Vector> {
    const rows = await this.db.query<{ home: string; n: number }>(heads, [userId]);
    return Object.fromEntries(rows.map((row) => [row.home, row.n]));
  }

  async insert(db: Queryable, list: readonly Operation[], now: number): Promise<void> {
    await operations.insert(db, list.map((op) => [op.userId, op.home, op.n, op.hlc, op.kind, op.key, op.value, op.signature, now]));
  }

  /** Makes the writers the winners of their items, unless a later one is. */
  async win(db: Queryable, userId: string, list: readonly Winner[]): Promise<void> {
    const lastOfItem = new Map(list.map((item) => [`${item.kind} ${item.key}`, item]));
    await winners.insert(db, [...lastOfItem.values()].map((item) => [userId, item.kind, item.key, item.hlc, item.home, item.isRemoved]));
  }

  async winner(db: Queryable, userId: string, kind: string, key: string): Promise<{ hlc: string; home: string } | undefined> {
    return (await db.query<{ hlc: string; home: string }>(winner, [userId, kind, key]))[0];
  }

  async winnersOf(userId: string): Promise<Winner[]> {
    const rows = await this.db.query<{ kind: string; op_key: string; hlc: string; home: string; is_removed: boolean }>(winnersOf, [userId]);
    return rows.map((row) => ({ kind: row.kind, key: row.op_key, hlc: row.hlc, home: row.home, isRemoved: row.is_removed }));
  }

  async byWriter(userId: string, kind: string, key: string, writer: { home: string; hlc: string }): Promise<Operation | undefined> {
    const [row] = await this.db.query<Row>(byWriter, [userId, kind, key, writer.home, writer.hlc]);
    return row && operation(row);
  }

  /** Operations of a home with a number above `n`, in order. */
  async after(userId: string, home: string, n: number, limit: number): Promise<Operation[]> {
    return (await this.db.query<Row>(after, [userId, home, n, limit])).map(operation);
  }

  /** The latest clock reading of all operations. */
  async lastReading(): Promise<string | null> {
    return (await this.db.query<{ hlc: string | null }>(lastReading))[0]!.hlc;
  }

  async acknowledged(userId: string, destination: string): Promise<number> {
    return (await this.db.query<{ n: number }>(ack, [userId, destination]))[0]?.n ?? 0;
  }

  async acknowledge(userId: string, destination: string, n: number): Promise<void> {
    await this.db.query(setAck, [userId, destination, n]);
  }

  /** @param before milliseconds; @param reading the same as a clock reading */
  async purge(before: number, reading: string): Promise<void> {
    await this.db.query(purgeOperations, [before]);
    await this.db.query(purgeTombstones, [reading]);
  }
}

function operation(row: Row): Operation {
  const { user_id: userId, op_key: key, home, n, hlc, kind, value, signature } = row;
  return { userId, home, n, hlc, kind, key, value, signature };
}
