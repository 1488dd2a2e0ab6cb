import { setTimeout as pause } from 'node:timers/promises';
import { isLost, NotStored, UnknownOutcome } from './database-errors.js';

/** Most items that one transaction takes. */
const MAX_BATCH = 256;
/** What comes while nobody can say what became of a batch waits for so long. */
const DOUBT_MS = 5_000;

interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One batch in flight; what arrives meanwhile is the next batch. A batch that fails is split until only the culprit fails,
 * so that one poisoned item costs its neighbours time and nothing else. Where the database is at fault nobody else is, and a batch
 * of which nobody can say whether it is stored is never made again: what comes after it waits until that is known.
 */
export class GroupCommit<T> {
  readonly #queue: Waiting<T>[] = [];
  #running: Promise<void> | null = null;
  #doubt: Promise<void> | null = null;

  /** @param flush makes all items durable in one transaction, or throws with none of them stored */
  constructor(private readonly flush: (items: readonly T[]) => Promise<void>) {}

  /** Resolves when the item is committed; rejects with the error of its own transaction. */
  submit(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // A turn of the event loop lets everything that is ready now into the first batch.
    await new Promise(setImmediate);
    while (this.#queue.length > 0) await this.#commit(this.#queue.splice(0, MAX_BATCH));
    this.#running = null;
  }

  async #commit(batch: Waiting<T>[]): Promise<void> {
    try {
      if (this.#doubt) await this.#settle(this.#doubt);
      await this.flush(batch.map((waiting) => waiting.item));
    } catch (error) {
      if (error instanceof UnknownOutcome) this.#suspend(error.decided);
      if (batch.length === 1 || error instanceof UnknownOutcome || error instanceof NotStored || isLost(error)) {
        for (const waiting of batch) waiting.reject(error);
        return;
      }
      const middle = batch.length >> 1;
      await this.#commit(batch.slice(0, middle));
      await this.#commit(batch.slice(middle));
      return;
    }
    for (const waiting of batch) waiting.resolve();
  }

  #suspend(decided: Promise<void>): void {
    this.#doubt = decided.then(() => {
      this.#doubt = null;
    });
  }

  /** @throws NotStored */
  async #settle(doubt: Promise<void>): Promise<void> {
    await Promise.race([doubt, pause(DOUBT_MS, undefined, { ref: false })]);
    if (this.#doubt) throw new NotStored();
  }
}
