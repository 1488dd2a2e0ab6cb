import type { PoolClient, QueryResult, QueryResultRow } from 'pg';
import type { DataSource, EntityManager, ObjectLiteral, Repository } from 'typeorm';
import type { CommitMark } from './commit-marks.js';
import { DiskFull } from './database-errors.js';
import { grows, timed, type Queryable, type Statement } from './statement.js';
import { TransactionRunner } from './transaction-runner.js';

interface Begun {
  readonly xid: number;
  readonly epoch: number | null;
}

/** What `EXECUTE begun` runs, in the message that begins a transaction: writes its mark, and tells its number and who holds the database. */
export const PREPARE_BEGUN = `PREPARE begun (integer, bigint) AS
  UPDATE commit_marks SET epoch = (SELECT epoch FROM database_holder), n = $2 WHERE place = $1 RETURNING txid_current() AS xid, epoch`;

/** What a transaction works with. */
export interface TransactionParts {
  readonly client: PoolClient;
  readonly mark: CommitMark;
  readonly dataSource: DataSource;
  /** Whoever does not answer within this time has fallen silent. */
  readonly answerMs: number;
  /** Whether the database's disk has no room for more. */
  readonly isFull: () => boolean;
}

/** One transaction on one connection. */
export class Transaction implements Queryable {
  readonly #afterCommit: (() => void)[] = [];
  /** PostgreSQL's number of it. */
  readonly xid: number;
  /** By which its outcome can be asked for when the answer to the COMMIT is lost. */
  readonly mark: CommitMark;
  /** Of the process that holds the database; null where nobody holds it. */
  readonly epoch: number | null;
  /** The error of a statement, after which nothing of the transaction can be stored. */
  failure: Error | undefined;

  #manager: EntityManager | undefined;

  private constructor(
    private readonly parts: TransactionParts,
    begun: Begun,
  ) {
    this.xid = begun.xid;
    this.mark = parts.mark;
    this.epoch = begun.epoch;
  }

  /** Called by the database. @param longMs what its statements may take, if that is more than usual */
  static async begin(parts: TransactionParts, longMs?: number): Promise<Transaction> {
    const { client, mark, answerMs } = parts;
    const limit = longMs === undefined ? '' : `SET LOCAL statement_timeout = ${longMs};`;
    const text = `BEGIN; ${limit} EXECUTE begun (${mark.place}, ${mark.n})`;
    const answers = (await client.query(timed({ text }, answerMs))) as unknown as readonly QueryResult<Begun>[];
    return new Transaction({ ...parts, answerMs: answerMs + (longMs ?? 0) }, answers.at(-1)!.rows[0]!);
  }

  /**
   * Runs the callback when it is certain that the transaction is committed, and never if it is not: also where whoever wrote could
   * not wait so long. What is in memory about the database changes here. It must not throw.
   */
  afterCommit(callback: () => void): void {
    this.#afterCommit.push(callback);
  }

  /** The rows of a table off the hot paths (entities.ts), read and written in this transaction. */
  repository<E extends ObjectLiteral>(entity: new () => E): Repository<E> {
    const { dataSource } = this.parts;
    this.#manager ??= dataSource.createEntityManager(new TransactionRunner(dataSource, (text, values) => this.#run({ text, grows: grows(text) }, values)));
    return this.#manager.getRepository(entity);
  }

  /** Called by the database. */
  committed(): void {
    for (const callback of this.#afterCommit) callback();
  }

  async query<R extends QueryResultRow = QueryResultRow>(sql: Statement, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.#run<R>(sql, values)).rows;
  }

  async #run<R extends QueryResultRow>(
    sql: { readonly text: string; readonly name?: string; readonly grows: boolean }, values: readonly unknown[] = [],
  ): Promise<QueryResult<R>> {
    const { client, answerMs, isFull } = this.parts;
    try {
      if (sql.grows && isFull()) throw new DiskFull();
      return await client.query<R>(timed(sql, answerMs, values));
    } catch (error) {
      this.failure ??= error as Error;
      throw error;
    }
  }
}
