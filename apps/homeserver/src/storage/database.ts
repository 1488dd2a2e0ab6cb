import { setTimeout as pause } from 'node:timers/promises';
import type { Pool, QueryResult, QueryResultRow } from 'pg';
import type { DataSource, EntityManager, Repository } from 'typeorm';
import { burnt, CommitMarks } from './commit-marks.js';
import type { CommitOutcomes, Outcome } from './commit-outcomes.js';
import { Connections } from './connections.js';
import { isLost, isRefusal, isRepeatable, isRaised, NotStored, UnknownOutcome } from './database-errors.js';
import type { DatabaseLimits } from './database-limits.js';
import { type Found, part, type Part, sendBatch } from './message-batch.js';
import { statement, type Queryable, type Statement } from './statement.js';
import type { Tenure } from './tenure.js';
import { NOT_BEGUN, Transaction } from './transaction.js';
import { TransactionRunner, type RunText } from './transaction-runner.js';

export { longStatement, statement, type Queryable, type Statement } from './statement.js';
export type { Transaction } from './transaction.js';

/** How often work is done that was undone for no fault of its own. */
const MAX_TRIES = 4;
const PAUSE_MS = 15;
const readEpoch = statement('database_holder.epoch', 'SELECT epoch FROM database_holder');

/** What a repository reads. */
export type Reads<E extends object> = Pick<Repository<E>, 'find' | 'findBy' | 'findOneBy' | 'countBy' | 'existsBy'>;

/** What a database works with. */
export interface DatabaseParts {
  readonly dataSource: DataSource;
  readonly pool: Pool;
  readonly outcomes: CommitOutcomes;
  readonly limits: DatabaseLimits;
  /** Whether its disk has no room for more. */
  readonly isFull: () => boolean;
  readonly tenure: Tenure;
}

/**
 * The server's database. TypeORM owns the connections, the entities and the migrations; hot paths are prepared statements
 * through `query`. `bigint` columns arrive as numbers (positions and ids stay below 2^53).
 *
 * Whoever is answered knows what is stored: of a commit whose answer was lost the database is asked what became of it.
 */
export class Database implements Queryable {
  /** Statements and transactions since the start; tests and the benchmark read them. */
  readonly counters = { statements: 0, transactions: 0 };
  readonly #connections: Connections;
  readonly #marks = new CommitMarks();
  readonly #entities: EntityManager;

  constructor(private readonly parts: DatabaseParts) {
    this.#connections = new Connections(parts.pool);
    // With the same limits as all others, and on the same connections.
    const read: RunText = async (text, values = []) => (await this.#repeat(() => this.#read(part({ text }, values)))) as unknown as QueryResult;
    this.#entities = parts.dataSource.createEntityManager(new TransactionRunner(parts.dataSource, read));
  }

  get dataSource(): DataSource {
    return this.parts.dataSource;
  }

  /** The rows of a table off the hot paths (entities.ts), to read; `tx.repository` writes. */
  repository<E extends object>(entity: new () => E): Reads<E> {
    return this.#entities.getRepository(entity);
  }

  /**
   * Runs one statement. One that writes runs in a transaction of its own, as otherwise nobody could say what became of it; one that also gives
   * rows is asked before the COMMIT, with whose answer they would be lost.
   *
   * @throws as `transaction`
   */
  async query<R extends QueryResultRow = QueryResultRow>(sql: Statement, values: readonly unknown[] = []): Promise<R[]> {
    this.counters.statements++;
    const longMs = sql.isLong ? this.parts.limits.longMs : undefined;
    if (sql.writes && sql.gives) return this.#repeat(() => this.#attempt((tx) => tx.query<R>(sql, values), longMs));
    const { found } = sql.writes || sql.isLong
      ? await this.#repeat(() => this.#attempt(async (tx) => tx.add(sql, values), longMs))
      : { found: await this.#repeat(() => this.#read(part(sql, values))) };
    return found.rows as R[];
  }

  async write(sql: Statement, values: readonly unknown[] = []): Promise<void> {
    await this.query(sql, values);
  }

  /**
   * Runs `work` in one transaction; rolls back and rethrows what it throws. It is run again where it was undone for no fault of its
   * own (a lost connection, a deadlock): so it changes nothing but the transaction and what is its own, and memory that follows from
   * it in `tx.afterCommit`.
   *
   * @throws NotStored when that does not help; UnknownOutcome
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    this.counters.transactions++;
    return this.#repeat(() => this.#attempt(work));
  }

  /** This process has the database now: what it writes is checked against that. */
  hold(epoch: number): void {
    this.parts.tenure.epoch = epoch;
    this.#connections.renew();
  }

  /** Asks nobody any more what became of transactions. */
  stop(): void {
    this.parts.outcomes.close();
  }

  async #repeat<T>(attempt: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof Undone)) throw error;
        if (tries === MAX_TRIES) throw new NotStored(error.cause);
      }
      await pause(PAUSE_MS * 4 ** (tries - 1), undefined, { ref: false });
    }
  }

  async #read(part: Part): Promise<Found> {
    const client = await this.#connections.take();
    let failure: unknown;
    try {
      return (await sendBatch(client, [part], this.parts.limits.answerMs))[0]!;
    } catch (error) {
      failure = error;
      throw isLost(error) || isRepeatable(error) ? new Undone(error) : error;
    } finally {
      this.#connections.giveBack(client, failure);
    }
  }

  /** @param longMs what its statements may take, if that is more than usual */
  async #attempt<T>(work: (tx: Transaction) => Promise<T>, longMs?: number): Promise<T> {
    const { limits, tenure } = this.parts;
    if (tenure.isOver) throw new NotStored();
    const client = await this.#connections.take().catch((error: unknown) => {
      throw isLost(error) ? new NotStored(error) : error;
    });
    const tx = new Transaction({ ...this.parts, client, mark: this.#marks.take(), epoch: tenure.epoch!, answerMs: limits.answerMs, longMs });
    try {
      return await this.#run(tx, work);
    } finally {
      this.#connections.giveBack(client, tx.failure);
    }
  }

  async #run<T>(tx: Transaction, work: (tx: Transaction) => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await work(tx);
      // Whoever goes on after an error of a statement has written nothing: PostgreSQL answers the COMMIT with a rollback.
      if (tx.failure) throw tx.failure;
    } catch (error) {
      return this.#giveUp(tx, error);
    }
    try {
      await tx.commit();
      this.#marks.free(tx.mark, tx.isSent ? tx.mark.n : undefined);
    } catch (error) {
      // Such as a deferred constraint.
      if (isRefusal(error)) return this.#giveUp(tx, error);
      await this.#becameOf(tx, error);
    }
    tx.committed();
    return result;
  }

  /** Ends a transaction whose COMMIT was not sent, or refused. Where the connection is lost it holds its locks until the database has noticed. */
  async #giveUp(tx: Transaction, error: unknown): Promise<never> {
    if (isLost(tx.failure)) {
      const ended = await this.#patiently(this.#outcomeOf(tx));
      throw ended === 'late' ? new NotStored(tx.failure) : new Undone(tx.failure);
    }
    const { failure } = tx;
    await tx.rollback().catch((rollbackError: Error) => (tx.failure = rollbackError));
    this.#marks.free(tx.mark);
    if (isRaised(failure, NOT_BEGUN)) await this.#assertHeld();
    throw isRaised(failure, NOT_BEGUN) || isRepeatable(failure) ? new Undone(failure) : error;
  }

  /** What became of a transaction whose connection was lost. */
  async #outcomeOf({ mark }: Transaction): Promise<Outcome> {
    const { outcomes, tenure } = this.parts;
    const outcome = await outcomes.of({ mark, epoch: tenure.epoch! }, this.#marks);
    this.#marks.free(mark, outcome === 'committed' ? mark.n : outcome === 'rolled back' ? burnt(mark) : undefined);
    return outcome;
  }

  /** @throws NotStored when another process has taken the database */
  async #assertHeld(): Promise<void> {
    const { tenure } = this.parts;
    const [holder] = (await this.#repeat(() => this.#read(part(readEpoch)))).rows;
    if (holder?.['epoch'] === tenure.epoch) return;
    tenure.end("Another process has taken over this server's database; this one ends.");
    throw new NotStored();
  }

  /** Returns when the transaction is committed. */
  async #becameOf(tx: Transaction, cause: unknown): Promise<void> {
    const asked = this.#outcomeOf(tx);
    const outcome = await this.#patiently(asked);
    if (outcome === 'committed') return;
    if (outcome === 'rolled back') throw new Undone(cause);
    throw new UnknownOutcome(asked.then((late) => {
      if (late === 'committed') tx.committed();
      // What is in memory has no equal in it.
      if (late === 'unknown') this.parts.tenure.end('The database that answers is not the one that was written to; this server ends.');
    }), cause);
  }

  async #patiently(asked: Promise<Outcome>): Promise<Outcome | 'late'> {
    const waiting = new AbortController();
    try {
      return await Promise.race([asked, pause(this.parts.limits.patienceMs, 'late' as const, { ref: false, signal: waiting.signal })]);
    } finally {
      waiting.abort();
    }
  }
}

/** A try that left nothing behind. */
class Undone extends Error {
  constructor(cause: unknown) {
    super('undone', { cause });
  }
}
