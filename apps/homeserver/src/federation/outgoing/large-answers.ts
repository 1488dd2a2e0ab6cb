/** Answers of more bytes are taken two at a time: from here on they are read, parsed and kept. */
export const LARGE_ANSWER = 4 * 1024 * 1024;
const AT_ONCE = 2;

/** Turns of large answers of other servers. Who waits for one does not read on, so that what others send takes no memory. */
export class LargeAnswers {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** A turn that is taken when it turns out to be needed. */
  turn(): { take(): Promise<void>; end(): void } {
    let state: 'free' | 'taken' | 'over' = 'free';
    return {
      take: async () => {
        if (this.#running < AT_ONCE) this.#running++;
        else await new Promise<void>((resolve) => this.#waiting.push(resolve));
        // Who waited may have given up meanwhile.
        if (state === 'over') this.#passOn();
        else state = 'taken';
      },
      end: () => {
        if (state === 'taken') this.#passOn();
        state = 'over';
      },
    };
  }

  /** The turn passes on directly, so that nobody slips in between. */
  #passOn(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running--;
  }
}
