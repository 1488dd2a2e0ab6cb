import type { PoolClient, QueryResult, QueryResultRow } from 'pg';
import type { DataSource, EntityManager, ObjectLiteral, Repository } from 'typeorm';
import type { CommitMark } from './commit-marks.js';
import { DiskFull } from './database-errors.js';
import { type Found, part, type Part, sendBatch } from './message-batch.js';
import { grows, statement, type Queryable, type Statement } from './statement.js';
import { TransactionRunner } from './transaction-runner.js';

/** Any statement; those of repositories have no name. */
type AnyStatement = Pick<Statement, 'text' | 'grows'> & { readonly name?: string };

const BEGIN = part(statement('tx.begin', 'BEGIN'));
const COMMIT = part(statement('tx.commit', 'COMMIT'));
const ROLLBACK = part(statement('tx.rollback', 'ROLLBACK'));
/**
 * Writes the mark of a transaction of this process. It fails, and the transaction with it, where another process has taken the database, and where
 * the mark was burnt: what arrives after its outcome was asked for must not be stored.
 */
const begun = statement(
  'tx.begun',
  `WITH mark AS (
     UPDATE commit_marks SET epoch = $3, n = $2
     WHERE place = $1 AND (epoch, n) < ($3, $2) AND EXISTS (SELECT FROM database_holder WHERE epoch = $3) RETURNING 1
   ) SELECT 1 / (SELECT count(*) FROM mark)`,
);
/** SQLSTATE of `begun` that fails so. */
export const NOT_BEGUN = '22012';

/** What a transaction works with. */
export interface TransactionParts {
  readonly client: PoolClient;
  readonly mark: CommitMark;
  /** Of this process, which holds the database. */
  readonly epoch: number;
  readonly dataSource: DataSource;
  /** Whoever does not answer within this time has fallen silent. */
  readonly answerMs: number;
  /** What its statements may take, if that is more than usual. */
  readonly longMs?: number | undefined;
  /** Whether the database's disk has no room for more. */
  readonly isFull: () => boolean;
}

/** A statement that goes out with the next message, and what it will have found. */
interface Waiting {
  readonly part: Part;
  readonly found: Found;
}

/**
 * One transaction on one connection. What is only written waits until something is asked, or until the COMMIT, and goes out in one message with
 * it; a transaction that asks nothing is one message.
 */
export class Transaction implements Queryable {
  readonly #afterCommit: (() => void)[] = [];
  readonly #waiting: Waiting[] = [];
  #sending: Promise<void> = Promise.resolve();
  #isOpen = false;
  #isSent = false;
  /** By which its outcome can be asked for when the answer to the COMMIT is lost. */
  readonly mark: CommitMark;
  /** The error of a statement, after which nothing of the transaction can be stored. */
  failure: Error | undefined;

  #manager: EntityManager | undefined;

  constructor(private readonly parts: TransactionParts) {
    this.mark = parts.mark;
  }

  /** Whether anything of it has been sent. */
  get isSent(): boolean {
    return this.#isSent;
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
    this.#manager ??= dataSource.createEntityManager(new TransactionRunner(
      dataSource, async (text, values) => (await this.#ask({ text, grows: grows(text) }, values)) as unknown as QueryResult,
    ));
    return this.#manager.getRepository(entity);
  }

  /** Called by the database. */
  committed(): void {
    for (const callback of this.#afterCommit) callback();
  }

  async query<R extends QueryResultRow = QueryResultRow>(sql: Statement, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.#ask(sql, values)).rows as R[];
  }

  async write(sql: Statement, values: readonly unknown[] = []): Promise<void> {
    this.add(sql, values);
  }

  /** As `write`; what it finds is known after the COMMIT. */
  add(sql: AnyStatement, values: readonly unknown[] = []): Waiting {
    if (sql.grows && this.parts.isFull()) throw (this.failure ??= new DiskFull());
    const added = { part: part(sql, values), found: { rows: [], rowCount: null, command: '' } };
    this.#waiting.push(added);
    return added;
  }

  /** Called by the database. What it rejects with says nothing of what is stored where the connection was lost. */
  async commit(): Promise<void> {
    await this.#sending;
    const { longMs } = this.parts;
    if (this.#isOpen || longMs !== undefined) await this.#send(this.#opening(), [COMMIT]);
    else if (this.#waiting.length > 0) await this.#send([this.#begun()]);
  }

  /** Called by the database. */
  async rollback(): Promise<void> {
    await this.#sending;
    if (this.#isOpen) await sendBatch(this.parts.client, [ROLLBACK], this.parts.answerMs);
  }

  async #ask(sql: AnyStatement, values: readonly unknown[] = []): Promise<Found> {
    const added = this.add(sql, values);
    // One message at a time. Whoever asks at the same moment is in it, whoever asks later in the next.
    const sent = this.#sending.then(() => new Promise<void>(process.nextTick)).then(() => (this.#waiting.includes(added) ? this.#send(this.#opening()) : undefined));
    this.#sending = sent.catch(() => undefined);
    await sent;
    if (this.failure) throw this.failure;
    return added.found;
  }

  #opening(): Part[] {
    if (this.#isOpen) return [];
    this.#isOpen = true;
    const { longMs } = this.parts;
    return [BEGIN, ...(longMs === undefined ? [] : [{ text: `SET LOCAL statement_timeout = ${longMs}`, values: [] }]), this.#begun()];
  }

  #begun(): Part {
    const { mark, epoch } = this.parts;
    return part(begun, [mark.place, mark.n, epoch]);
  }

  /** Sends what waits, with what is before and after it. */
  async #send(before: readonly Part[], after: readonly Part[] = []): Promise<void> {
    const waiting = this.#waiting.splice(0);
    const { client, answerMs, longMs = 0 } = this.parts;
    this.#isSent = true;
    try {
      const answers = await sendBatch(client, [...before, ...waiting.map((one) => one.part), ...after], answerMs + longMs);
      for (const [i, { found }] of waiting.entries()) Object.assign(found, answers[before.length + i]);
    } catch (error) {
      this.failure ??= error as Error;
      throw error;
    }
  }
}
