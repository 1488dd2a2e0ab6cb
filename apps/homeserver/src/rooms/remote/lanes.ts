/** Runs work of one key in order, one after the other; work of different keys does not wait for each other. */
export class Lanes {
  readonly #tails = new Map<string, Promise<unknown>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const run = before.then(work, work);
    const settled = run.catch(() => undefined);
    this.#tails.set(key, settled);
    try {
      return await run;
    } finally {
      if (this.#tails.get(key) === settled) this.#tails.delete(key);
    }
  }

  /** Settles, without failing, when all work of the key that there is now is over; undefined when there is none. */
  tail(key: string): Promise<unknown> | undefined {
    return this.#tails.get(key);
  }
}
