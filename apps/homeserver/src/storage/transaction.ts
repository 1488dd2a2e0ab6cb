import type { PoolClient, QueryResult, QueryResultRow } from 'pg';
import { DiskFull } from './database-errors.js';
import { timed, type Queryable, type Statement } from './statement.js';

/** Begins a transaction and tells its number, in one message. Prepared on every connection by data-source.ts. */
const BEGIN = 'BEGIN; EXECUTE begun';

/** One transaction on one connection. */
export class Transaction implements Queryable {
  readonly #afterCommit: (() => void)[] = [];
  /** Its number, by which its outcome can be asked for when the answer to the COMMIT is lost. */
  readonly xid: number;
  /** The error of a statement, after which nothing of the transaction can be stored. */
  failure: Error | undefined;

  private constructor(
    private readonly client: PoolClient,
    private readonly answerMs: number,
    private readonly isFull: () => boolean,
    xid: number,
  ) {
    this.xid = xid;
  }

  /** Called by the database. @param isFull whether its disk has no room for more */
  static async begin(client: PoolClient, answerMs: number, isFull: () => boolean, longMs?: number): Promise<Transaction> {
    const text = longMs === undefined ? BEGIN : `BEGIN; SET LOCAL statement_timeout = ${longMs}; EXECUTE begun`;
    const answers = (await client.query(timed({ text }, answerMs))) as unknown as readonly QueryResult<{ xid: number }>[];
    return new Transaction(client, longMs === undefined ? answerMs : longMs + answerMs, isFull, answers.at(-1)!.rows[0]!.xid);
  }

  /**
   * Runs the callback when it is certain that the transaction is committed, and never if it is not: also where whoever wrote could
   * not wait so long. What is in memory about the database changes here. It must not throw.
   */
  afterCommit(callback: () => void): void {
    this.#afterCommit.push(callback);
  }

  /** Called by the database. */
  committed(): void {
    for (const callback of this.#afterCommit) callback();
  }

  async query<R extends QueryResultRow = QueryResultRow>(sql: Statement, values: readonly unknown[] = []): Promise<R[]> {
    try {
      if (sql.grows && this.isFull()) throw new DiskFull();
      return (await this.client.query<R>(timed(sql, this.answerMs, values))).rows;
    } catch (error) {
      this.failure ??= error as Error;
      throw error;
    }
  }
}
