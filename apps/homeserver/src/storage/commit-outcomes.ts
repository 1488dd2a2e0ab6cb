import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import { isRefusal } from './database-errors.js';

/** `unknown`: the database has no memory of it, as it is another one; `unasked`: this server stopped before it was answered. */
export type Outcome = 'committed' | 'rolled back' | 'unknown' | 'unasked';

const status = 'SELECT txid_status($1) AS status';
/** Whoever still works on it. PostgreSQL shows the lower 32 bits of a transaction's number there. */
const end = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid = ($1::bigint % 4294967296)::text::xid AND pid <> pg_backend_pid()';
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

  /** @param xid number of the transaction */
  async of(xid: number): Promise<Outcome> {
    for (let tries = 1; !this.#stopped.signal.aborted; tries++) {
      const outcome = await this.#ask(xid, tries > GRACE_TRIES);
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
  async #ask(xid: number, mayEnd: boolean): Promise<Outcome | undefined> {
    let client: Client | undefined;
    try {
      client = await this.connect();
      const { rows } = await client.query<{ status: string | null }>(status, [xid]);
      const found = rows[0]!.status;
      if (found === 'committed') return 'committed';
      if (found === 'aborted') return 'rolled back';
      if (found === null) return 'unknown';
      if (mayEnd) await client.query(end, [xid]);
      return undefined;
    } catch (error) {
      // "transaction ID is in the future": the database is one that has not seen this transaction.
      return isRefusal(error) && (error as { code?: string }).code === '22023' ? 'unknown' : undefined;
    } finally {
      void client?.end().catch(() => undefined);
    }
  }
}
