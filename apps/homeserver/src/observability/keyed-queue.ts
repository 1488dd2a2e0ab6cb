interface Line {
  running: number;
  readonly waiting: (() => void)[];
}

/**
 * Runs jobs of one key one after the other, or a few at a time, in the order in which they came; jobs of different keys do not
 * wait for each other. Who lets strangers bring jobs bounds them by `size` and `keys`.
 */
export class KeyedQueue {
  readonly #lines = new Map<string, Line>();

  /** @param atOnce jobs of one key that run at the same time */
  constructor(private readonly atOnce = 1) {}

  /** Keys of which jobs run. */
  get keys(): number {
    return this.#lines.size;
  }

  /** Jobs of the key that run or wait. */
  size(key: string): number {
    const line = this.#lines.get(key);
    return line ? line.running + line.waiting.length : 0;
  }

  /** Begins at once where nothing of the key is before it. @throws what the job throws, which holds up no other */
  async run<T>(key: string, job: () => Promise<T>): Promise<T> {
    let line = this.#lines.get(key);
    if (!line) this.#lines.set(key, (line = { running: 0, waiting: [] }));
    if (line.running < this.atOnce) line.running++;
    else await new Promise<void>((resolve) => line.waiting.push(resolve));
    try {
      return await job();
    } finally {
      const next = line.waiting.shift();
      // The turn passes on directly, so that nobody slips in between.
      if (next) next();
      else if (--line.running === 0) this.#lines.delete(key);
    }
  }
}
