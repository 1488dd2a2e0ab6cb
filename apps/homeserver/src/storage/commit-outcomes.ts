import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import { burnt, type CommitMark, type CommitMarks, type FoundMark } from './commit-marks.js';
import { isRefusal } from './database-errors.js';

/** `unknown`: the database is not the one that was written to; `unasked`: this server stopped before it was answered. */
export type Outcome = 'committed' | 'rolled back' | 'unknown' | 'unasked';

/** A transaction whose outcome is asked for. */
export interface AskedTransaction {
  readonly mark: CommitMark;
  /** Of this process. */
  readonly epoch: number;
}

/** Nothing while the transaction goes on, which holds its place. */
const find = 'SELECT epoch, n FROM commit_marks WHERE place = $1 FOR UPDATE SKIP LOCKED';
const isThere = 'SELECT 1 FROM commit_marks WHERE place = $1';
const burn = 'UPDATE commit_marks SET epoch = $2, n = $3 WHERE place = $1';
/** Whoever still works on it: the row names the transaction that is changing it. */
const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE backend_xid = (SELECT xmax FROM commit_marks WHERE place = $1) AND pid <> pg_backend_pid()`;
/** A transaction whose COMMIT has arrived gets this long to be done. */
const GRACE_TRIES = 3;
const FIRST_PAUSE_MS = 10;
const MAX_PAUSE_MS = 1_000;

/**
 * What became of transactions whose connection was lost. It is asked on connections of its own, as those of the pool may be lost as
 * well, until the answer is final: a transaction that is still going on is ended at the other side.
 */
export class CommitOutcomes {
  readonly #stopped = new AbortController();

  /** @param connect makes a connection with time-outs, or rejects */
  constructor(private readonly connect: () => Promise<Client>) {}

  async of(transaction: AskedTransaction, marks: CommitMarks): Promise<Outcome> {
    for (let tries = 1; !this.#stopped.signal.aborted; tries++) {
      const outcome = await this.#ask(transaction, marks, tries > GRACE_TRIES);
      if (outcome) return outcome;
      await pause(Math.min(FIRST_PAUSE_MS * 2 ** tries, MAX_PAUSE_MS), undefined, { ref: false, signal: this.#stopped.signal }).catch(() => undefined);
    }
    return 'unasked';
  }

  /** Nobody is asked any more: what is not known stays so. */
  close(): void {
    this.#stopped.abort();
  }

  /** Undefined while it cannot be said. */
  async #ask({ mark, epoch }: AskedTransaction, marks: CommitMarks, mayEnd: boolean): Promise<Outcome | undefined> {
    let client: Client | undefined;
    try {
      client = await this.connect();
      await client.query('BEGIN');
      const [found] = (await client.query<FoundMark>(find, [mark.place])).rows;
      const outcome = found && (marks.judge(mark, epoch, found) ?? 'unknown');
      // It is final before it is said: what is still on its way finds its place taken.
      if (outcome === 'rolled back') await client.query(burn, [mark.place, epoch, burnt(mark)]);
      await client.query('COMMIT');
      if (outcome) return outcome;
      if ((await client.query(isThere, [mark.place])).rowCount === 0) return 'unknown';
      if (mayEnd) await client.query(end, [mark.place]);
      return undefined;
    } catch (error) {
      // "relation does not exist".
      return isRefusal(error) && (error as { code?: string }).code === '42P01' ? 'unknown' : undefined;
    } finally {
      void client?.end().catch(() => undefined);
    }
  }
}
