import { setTimeout as pause } from 'node:timers/promises';
import type { HomeEntry, HomeRecord } from '#federation';
import type { KeyedQueue } from '../../observability/keyed-queue.js';
import type { Log } from '../../observability/log.js';
import { isUnavailable } from '../../storage/database-errors.js';

/** Homes that are believed: now, and before the change. */
export interface HomesInForce {
  readonly now: readonly HomeEntry[];
  readonly before: readonly HomeEntry[];
}

/** `previous` is the record itself where only its rivals have changed. */
export type ChangeListener = (record: HomeRecord, previous: HomeRecord | undefined, homes: HomesInForce) => Promise<void>;

const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;

/**
 * What follows from a record that was stored: sessions end, accounts come and go. It is done however much the database is in the way, in the account's turn, so
 * that nobody takes the record for known before. (After a crash it is done at the start: ServedAccounts.)
 */
export class RecordWork {
  readonly #listeners = new Set<ChangeListener>();
  readonly #stopped = new AbortController();

  /** @param inTurn of the accounts' records, by user id */
  constructor(
    private readonly inTurn: KeyedQueue,
    private readonly log: Log,
  ) {}

  add(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** In the account's turn. @throws an error of the database; what it kept from being done is tried again later */
  async begin(...change: Parameters<ChangeListener>): Promise<void> {
    await this.#try(change, [...this.#listeners], FIRST_PAUSE_MS);
  }

  /** The same where nobody waits for it. */
  later(...change: Parameters<ChangeListener>): void {
    this.#again(change, [...this.#listeners], 0, FIRST_PAUSE_MS);
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #try(change: Parameters<ChangeListener>, listeners: readonly ChangeListener[], pauseMs: number): Promise<void> {
    const open: ChangeListener[] = [];
    let cause: unknown;
    for (const listener of listeners) {
      try {
        await listener(...change);
      } catch (error) {
        if (isUnavailable(error)) open.push(listener);
        else this.log.error('a new home record could not be put to work', error, { userId: change[0].user_id });
        cause = error;
      }
    }
    if (open.length === 0) return;
    this.#again(change, open, pauseMs, Math.min(2 * pauseMs, MAX_PAUSE_MS));
    throw cause;
  }

  #again(change: Parameters<ChangeListener>, listeners: readonly ChangeListener[], afterMs: number, pauseMs: number): void {
    const { signal } = this.#stopped;
    if (signal.aborted) return;
    void this.inTurn.run(change[0].user_id, async () => {
      await pause(afterMs, undefined, { ref: false, signal }).catch(() => undefined);
      if (!signal.aborted) await this.#try(change, listeners, pauseMs).catch(() => undefined);
    });
  }
}
