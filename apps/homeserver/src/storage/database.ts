import { setTimeout as pause } from 'node:timers/promises';
import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import type { DataSource, EntityManager, Repository } from 'typeorm';
import { CommitMarks } from './commit-marks.js';
import type { CommitOutcomes, Outcome } from './commit-outcomes.js';
import { Connections } from './connections.js';
import { isLost, isRefusal, isRepeatable, NotStored, UnknownOutcome } from './database-errors.js';
import type { DatabaseLimits } from './database-limits.js';
import { timed, type Queryable, type Statement } from './statement.js';
import type { Tenure } from './tenure.js';
import { Transaction } from './transaction.js';
import { TransactionRunner, type RunText } from './transaction-runner.js';

export { longStatement, statement, type Queryable, type Statement } from './statement.js';
export type { Transaction } from './transaction.js';

/** How often work is done that was undone for no fault of its own. */
const MAX_TRIES = 4;
const PAUSE_MS = 15;
const COMMIT = { text: 'COMMIT' };
const ROLLBACK = { text: 'ROLLBACK' };

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
    const read: RunText = (text, values = []) => this.#repeat(() => this.#read({ text }, values));
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
   * Runs one statement. One that writes runs in a transaction of its own, as otherwise nobody could say what became of it.
   *
   * @throws as `transaction`
   */
  async query<R extends QueryResultRow = QueryResultRow>(sql: Statement, values: readonly unknown[] = []): Promise<R[]> {
    this.counters.statements++;
    const run = async (tx: Transaction): Promise<R[]> => tx.query<R>(sql, values);
    if (sql.isLong) return this.#repeat(() => this.#attempt(run, this.parts.limits.longMs));
    if (sql.writes) return this.#repeat(() => this.#attempt(run));
    return (await this.#repeat(() => this.#read<R>(sql, values))).rows;
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

  async #read<R extends QueryResultRow>(sql: Pick<Statement, 'text'>, values: readonly unknown[]): Promise<QueryResult<R>> {
    const client = await this.#connections.take();
    let failure: unknown;
    try {
      return await client.query<R>(timed(sql, this.parts.limits.answerMs, values));
    } catch (error) {
      failure = error;
      throw isLost(error) || isRepeatable(error) ? new Undone(error) : error;
    } finally {
      this.#connections.giveBack(client, failure);
    }
  }

  /** @param longMs what its statements may take, if that is more than usual */
  async #attempt<T>(work: (tx: Transaction) => Promise<T>, longMs?: number): Promise<T> {
    const client = await this.#connections.take().catch((error: unknown) => {
      throw isLost(error) ? new NotStored(error) : error;
    });
    const held = { client, failure: undefined as unknown };
    try {
      return await this.#run(held, work, longMs);
    } finally {
      this.#connections.giveBack(client, held.failure);
    }
  }

  async #run<T>(held: { readonly client: PoolClient; failure: unknown }, work: (tx: Transaction) => Promise<T>, longMs?: number): Promise<T> {
    const { client } = held;
    const { answerMs } = this.parts.limits;
    const mark = this.#marks.take();
    let tx: Transaction;
    try {
      tx = await Transaction.begin({ ...this.parts, client, mark, answerMs }, longMs);
    } catch (error) {
      this.#marks.free(mark, false);
      held.failure = error;
      if (isLost(error)) throw new Undone(error);
      // It may have begun.
      await client.query(timed(ROLLBACK, answerMs)).catch((rollbackError: Error) => (held.failure = rollbackError));
      throw isRepeatable(error) ? new Undone(error) : error;
    }
    let result: T;
    try {
      this.#assertHeld(tx);
      result = await work(tx);
      // Whoever goes on after an error of a statement has written nothing: PostgreSQL answers the COMMIT with a rollback.
      if (tx.failure) throw tx.failure;
    } catch (error) {
      held.failure = tx.failure;
      if (isLost(tx.failure)) return this.#undo(tx, tx.failure);
      await client.query(timed(ROLLBACK, answerMs)).catch((rollbackError: Error) => (held.failure = rollbackError));
      this.#marks.free(mark, false);
      throw isRepeatable(tx.failure) ? new Undone(tx.failure) : error;
    }
    try {
      await client.query(timed(COMMIT, answerMs));
      this.#marks.free(mark, true);
    } catch (error) {
      held.failure = error;
      if (!isRefusal(error)) await this.#becameOf(tx, error);
      else {
        // Such as a deferred constraint.
        this.#marks.free(mark, false);
        throw isRepeatable(error) ? new Undone(error) : error;
      }
    }
    tx.committed();
    return result;
  }

  /** What became of a transaction whose connection was lost. */
  async #outcomeOf({ xid, mark }: Transaction): Promise<Outcome> {
    const { outcomes, tenure } = this.parts;
    const outcome = await outcomes.of({ xid, mark, epoch: tenure.epoch! }, this.#marks);
    this.#marks.free(mark, outcome === 'committed');
    return outcome;
  }

  /** @throws NotStored when another process has taken the database */
  #assertHeld({ epoch }: Transaction): void {
    const { tenure } = this.parts;
    if (epoch === (tenure.epoch ?? null) && !tenure.isOver) return;
    tenure.end("Another process has taken over this server's database; this one ends.");
    throw new NotStored();
  }

  /** Its connection was lost before its COMMIT was sent. It holds its locks until the database has noticed. */
  async #undo(tx: Transaction, cause: unknown): Promise<never> {
    const ended = await this.#patiently(this.#outcomeOf(tx));
    throw ended === 'late' ? new NotStored(cause) : new Undone(cause);
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
