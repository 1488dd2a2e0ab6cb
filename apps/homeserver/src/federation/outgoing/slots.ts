/** Lets at most `size` pieces of work run at once; the others wait in order, at most `maxWaiting` of them. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(
    size: number,
    private readonly maxWaiting = Infinity,
  ) {
    this.#free = size;
  }

  /** @throws Error when too many wait already */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else if (this.#waiting.length >= this.maxWaiting) throw new Error('too much is waiting');
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The slot passes straight to the next one, so that nobody can slip in between.
      if (next) next();
      else this.#free++;
    }
  }
}
