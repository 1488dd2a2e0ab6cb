/** Runs jobs of one key one after the other, jobs of different keys side by side. */
export class InTurn {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Whether a job of the key is waiting or running. */
  isBusy(key: string): boolean {
    return this.#last.has(key);
  }

  run<T>(key: string, job: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const result = before.then(job, job);
    const settled = result.catch(() => undefined).then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    this.#last.set(key, settled);
    return result;
  }
}
