/** When nothing is due the rows are looked at again after this, at the latest. */
const MAX_WAIT_MS = 60_000;
const MIN_WAIT_MS = 10;
/** The longest pause between two attempts (protocol §2, "Telling and asking"). */
const MAX_RETRY_MS = 3_600_000;

/** SQL of the milliseconds until the next attempt: twice as long after each failure (the column `attempts`), up to an hour, without end. */
export const retryPause = (firstMs: number): string => `least(${MAX_RETRY_MS}, ${firstMs} * power(2, least(attempts, 20)))::bigint`;

/** Looks for rows of a table whose time has come, whenever one may have: one look at a time. */
export class DueRows {
  #looking: Promise<void> | null = null;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /**
   * @param look begins what is due; resolves with the time of what is due next, null when nothing is left
   * @param now milliseconds, by the clock of the rows
   */
  constructor(
    private readonly look: () => Promise<number | null>,
    private readonly now: () => number,
    private readonly onError: (error: unknown) => void,
  ) {}

  get stopped(): boolean {
    return this.#stopped;
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#looking = this.look()
      .catch((error: unknown) => {
        if (!this.#stopped) this.onError(error);
        return Number.POSITIVE_INFINITY;
      })
      .then((next) => {
        this.#looking = null;
        if (this.#stopped) return;
        if (this.#again) {
          this.#again = false;
          this.wake();
        } else if (next !== null) {
          this.#timer = setTimeout(() => this.wake(), Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, next - this.now()))).unref();
        }
      });
  }

  /** Resolves when nobody looks. */
  async settled(): Promise<void> {
    while (this.#looking) await this.#looking;
  }

  /** Resolves when the last look has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.settled();
  }
}
