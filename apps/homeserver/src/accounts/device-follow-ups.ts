import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '../observability/log.js';
import { isUnavailable } from '../storage/database-errors.js';

export type DevicesListener = (userId: string, deviceIds: readonly string[]) => Promise<void>;

const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;
/** Changes that wait for the database; after a crash, and beyond that, a start or the client's repeat does the same. */
const MAX_WAITING = 10_000;

/**
 * What others do when devices were stored, renamed or deleted: keys go, lists are told. It begins when the change is certain, also where nobody
 * could say so in time to whoever had asked, and goes on until the database lets it through.
 */
export class DeviceFollowUps {
  readonly #listeners = new Set<DevicesListener>();
  readonly #stopped = new AbortController();
  #waiting = 0;

  constructor(private readonly log: Log) {}

  add(listener: DevicesListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * In `afterCommit` of the change.
   *
   * @returns what to wait for: rejects where something failed at first, though that is tried again if the database was in the way
   */
  begin(userId: string, deviceIds: readonly string[]): Promise<void> {
    const work = this.#run(userId, deviceIds, [...this.#listeners], FIRST_PAUSE_MS);
    // Who asked may have been answered long ago.
    work.catch((error: unknown) => {
      if (!isUnavailable(error) && !this.#stopped.signal.aborted) this.log.error('what follows from a change of devices failed', error, { userId });
    });
    return work;
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #run(userId: string, deviceIds: readonly string[], listeners: readonly DevicesListener[], pauseMs: number): Promise<void> {
    for (const [i, listener] of listeners.entries()) {
      try {
        await listener(userId, deviceIds);
      } catch (error) {
        if (isUnavailable(error)) void this.#again(userId, deviceIds, listeners.slice(i), pauseMs);
        throw error;
      }
    }
  }

  async #again(userId: string, deviceIds: readonly string[], listeners: readonly DevicesListener[], pauseMs: number): Promise<void> {
    const { signal } = this.#stopped;
    if (this.#waiting >= MAX_WAITING) return;
    this.#waiting++;
    await pause(pauseMs, undefined, { ref: false, signal }).catch(() => undefined);
    this.#waiting--;
    if (!signal.aborted) await this.#run(userId, deviceIds, listeners, Math.min(2 * pauseMs, MAX_PAUSE_MS)).catch(() => undefined);
  }
}
