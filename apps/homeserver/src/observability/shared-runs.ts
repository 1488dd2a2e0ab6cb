/** Runs something once for all who ask for it while it runs, by key. */
export class SharedRuns<T> {
  readonly #running = new Map<string, Promise<T>>();

  /** @throws what the work of the first one throws, to all of them; who asks later has it done again */
  run(key: string, work: () => Promise<T>): Promise<T> {
    let running = this.#running.get(key);
    if (!running) {
      running = work().finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }
}
