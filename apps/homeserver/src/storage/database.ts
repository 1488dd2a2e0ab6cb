import type { Pool, PoolClient, QueryResultRow } from 'pg';
import type { DataSource } from 'typeorm';

/** A statement with a fixed text: prepared once per connection under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Declares a statement. The name must be unique in the program: `<store>.<what>`. */
export function statement(name: string, text: string): Statement {
  return { name, text };
}

/** Where statements run: the pool, or one transaction. */
export interface Queryable {
  query<R extends QueryResultRow = QueryResultRow>(sql: Statement, values?: readonly unknown[]): Promise<R[]>;
}

/** One transaction on one connection. */
export class Transaction implements Queryable {
  readonly #afterCommit: (() => void)[] = [];

  constructor(private readonly client: PoolClient) {}

  /** Runs the callback when the transaction is committed, and never if it is not. It must not throw. */
  afterCommit(callback: () => void): void {
    this.#afterCommit.push(callback);
  }

  /** Called by the database. */
  committed(): void {
    for (const callback of this.#afterCommit) callback();
  }

  async query<R extends QueryResultRow = QueryResultRow>(sql: Statement, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.client.query<R>({ name: sql.name, text: sql.text, values: values as unknown[] })).rows;
  }
}

/**
 * The server's database. TypeORM owns the connections, the entities and the migrations; hot paths are prepared statements
 * through `query`. `bigint` columns arrive as numbers (positions and ids stay below 2^53).
 */
export class Database implements Queryable {
  /** Statements and transactions since the start; tests and the benchmark read them. */
  readonly counters = { statements: 0, transactions: 0 };

  constructor(
    readonly dataSource: DataSource,
    private readonly pool: Pool,
  ) {}

  async query<R extends QueryResultRow = QueryResultRow>(sql: Statement, values: readonly unknown[] = []): Promise<R[]> {
    this.counters.statements++;
    return (await this.pool.query<R>({ name: sql.name, text: sql.text, values: values as unknown[] })).rows;
  }

  /** Runs `work` in one transaction; rolls back and rethrows what it throws. */
  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    this.counters.transactions++;
    const client = await this.pool.connect();
    let broken: Error | undefined;
    // The pool listens on idle connections only. One that is lost between two statements would end the process.
    const onError = (error: Error): void => {
      broken = error;
    };
    client.on('error', onError);
    try {
      await client.query('BEGIN');
      const transaction = new Transaction(client);
      const result = await work(transaction);
      await client.query('COMMIT');
      transaction.committed();
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((rollbackError: Error) => {
        broken = rollbackError;
      });
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }
}

/** True where PostgreSQL cannot take a value, such as text with NUL (SQLSTATE class 22): a second try cannot help. */
export function isInvalidValue(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && /^22[0-9A-Z]{3}$/.test(code);
}

/** True for PostgreSQL's unique_violation (SQLSTATE 23505), optionally of one constraint or index. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const { code, constraint: name } = (error ?? {}) as { code?: unknown; constraint?: unknown };
  return code === '23505' && (constraint === undefined || name === constraint);
}

/**
 * True when the database could not be asked, which says nothing about what was asked: no connection (of the system, or SQLSTATE
 * class 08), no resources (53), a database that is being stopped (57P).
 */
export function isUnavailable(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string') return /^(?:E[A-Z]{4,}|(?:08|53)[0-9A-Z]{3}|57P[0-9A-Z]{2})$/.test(code);
  // The driver's own errors have no code.
  return typeof message === 'string' && /^(?:Connection terminated|timeout exceeded when trying to connect|Query read timeout)/.test(message);
}
