import type { ArrivalRoom } from './arrivals.store.js';

const FIRST_RETRY_MS = 1_000;
/** The home may be about to hear of the record that makes this one a home. */
const FIRST_LIST_RETRY_MS = 100;
const MAX_RETRY_MS = 3_600_000;
/** A home that has not answered for so long is not waited for alone. */
const PATIENCE_MS = 3_000;

/** What one account's move needs of the rest. */
export interface ArrivalSteps {
  /** Homes that can list the rooms, those that answer first; none when that is done. */
  sources(): Promise<readonly string[]>;
  /** Takes the account from a home, in its turn. */
  list(source: string): Promise<void>;
  /** Rooms whose time has come, as many as may be begun now. */
  due(except: readonly string[]): Promise<readonly ArrivalRoom[]>;
  /** Brings a room, in its turn. @throws what failed */
  attach(room: ArrivalRoom): Promise<void>;
  failed(room: ArrivalRoom, delayMs: number, error: unknown): Promise<void>;
  /** Milliseconds until a room is due that is not yet; null when there is none. */
  untilNext(): Promise<number | null>;
}

/** The move of one account: its list and its rooms side by side, each tried again ever more rarely. */
export class AccountArrival {
  readonly #attaching = new Map<string, Promise<void>>();
  #listing: Promise<void> | null = null;
  #listFailures = 0;
  #listAt = 0;
  #looking: Promise<void> | null = null;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /**
   * @param now milliseconds
   * @param onRest called when nothing runs; `isOver` when nothing is left to do at all
   * @param onError for what is nobody's answer
   */
  constructor(
    private readonly steps: ArrivalSteps,
    private readonly now: () => number,
    private readonly onRest: (isOver: boolean) => void,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** There may be something to do. @param isNews a list that failed is tried at once, too */
  wake(isNews: boolean): void {
    if (this.#stopped) return;
    if (isNews) {
      this.#listAt = 0;
      this.#listFailures = 0;
    }
    if (this.#looking) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#looking = this.#look()
      .catch((error: unknown) => {
        this.onError(error);
        return FIRST_RETRY_MS;
      })
      .then((waitMs) => {
        this.#looking = null;
        if (this.#stopped) return;
        if (this.#again) {
          this.#again = false;
          this.wake(false);
          return;
        }
        if (waitMs !== null) this.#timer = setTimeout(() => this.wake(false), waitMs).unref();
        if (!this.#listing && this.#attaching.size === 0) this.onRest(waitMs === null);
      });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** What is being done now. */
  running(): Promise<unknown>[] {
    return [this.#looking, this.#listing, ...this.#attaching.values()].filter((one) => one !== null);
  }

  /** Begins what is due. @returns milliseconds until there is something to begin again; null when nothing is known to come */
  async #look(): Promise<number | null> {
    const waits: number[] = [];
    const sources = this.#listing ? [] : await this.steps.sources();
    if (sources.length > 0) {
      const wait = this.#listAt - this.now();
      if (wait > 0) waits.push(wait);
      else this.#listing = this.#list(sources).catch(this.onError).then(() => this.#ended(() => (this.#listing = null)));
    }
    for (const room of await this.steps.due([...this.#attaching.keys()])) {
      if (this.#stopped) return null;
      this.#attaching.set(room.roomId, this.#attach(room).then(() => this.#ended(() => this.#attaching.delete(room.roomId))));
    }
    const next = await this.steps.untilNext();
    if (next !== null) waits.push(Math.max(FIRST_RETRY_MS / 10, next));
    return waits.length === 0 ? null : Math.min(...waits, MAX_RETRY_MS);
  }

  #ended(forget: () => void): void {
    forget();
    this.wake(false);
  }

  /** Asks one home after the other, and does not wait for a silent one before it asks the next. */
  async #list(sources: readonly string[]): Promise<void> {
    const asked: Promise<boolean>[] = [];
    for (const source of sources) {
      const answer = this.steps.list(source).then(() => true, () => false);
      asked.push(answer);
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), PATIENCE_MS)));
      const isDone = await Promise.race([answer, patience]);
      clearTimeout(timer);
      if (isDone || this.#stopped) return;
    }
    const isListed = await Promise.any(asked.map((one) => one.then((done) => done || Promise.reject(new Error('not listed'))))).catch(() => false);
    if (isListed) return;
    this.#listFailures++;
    this.#listAt = this.now() + backOff(this.#listFailures, FIRST_LIST_RETRY_MS);
  }

  async #attach(room: ArrivalRoom): Promise<void> {
    try {
      await this.steps.attach(room);
    } catch (error) {
      if (!this.#stopped) await this.steps.failed(room, backOff(room.attempts + 1), error).catch(this.onError);
    }
  }
}

function backOff(failures: number, firstMs = FIRST_RETRY_MS): number {
  return Math.min(MAX_RETRY_MS, firstMs * 2 ** Math.min(failures - 1, 20));
}
