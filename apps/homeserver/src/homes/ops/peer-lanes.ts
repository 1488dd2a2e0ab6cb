const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5 * 60_000;

interface Lane {
  /** There is something new since the lane's last look. */
  isDirty: boolean;
  failures: number;
  running: Promise<void> | null;
  timer: NodeJS.Timeout | undefined;
}

/** One lane per account and other home: exchanges run one after the other, and failed ones again with growing pauses. */
export class PeerLanes {
  readonly #lanes = new Map<string, Lane>();
  #stopped = false;

  constructor(
    private readonly exchange: (userId: string, home: string) => Promise<void>,
    private readonly failed: (userId: string, home: string, error: unknown) => void,
    /** Milliseconds for which the home is not tried, because it did not answer; 0 for none. */
    private readonly pauseOf: (home: string) => number,
  ) {}

  wake(userId: string, home: string): void {
    this.#wake(`${userId} ${home}`, home);
  }

  /** A server is back: what waits for it is tried now. */
  retry(home: string): void {
    for (const [key, lane] of this.#lanes) if (lane.timer && key.endsWith(` ${home}`)) this.#wake(key, home);
  }

  running(): Promise<void>[] {
    return [...this.#lanes.values()].flatMap((lane) => lane.running ?? []);
  }

  stop(): void {
    this.#stopped = true;
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer);
  }

  #wake(key: string, home: string): void {
    if (this.#stopped) return;
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { isDirty: false, failures: 0, running: null, timer: undefined };
      this.#lanes.set(key, lane);
    }
    lane.isDirty = true;
    clearTimeout(lane.timer);
    lane.timer = undefined;
    if (lane.running) return;
    // While the home is left alone, an account that writes all the time would only find that out each time.
    const pause = this.pauseOf(home);
    if (pause > 0) this.#wakeAfter(pause, key, home, lane);
    else lane.running = this.#run(key, lane);
  }

  #wakeAfter(ms: number, key: string, home: string, lane: Lane): void {
    if (!this.#stopped) lane.timer = setTimeout(() => this.#wake(key, home), Math.min(MAX_RETRY_MS, ms)).unref();
  }

  async #run(key: string, lane: Lane): Promise<void> {
    const [userId, home] = key.split(' ') as [string, string];
    try {
      while (lane.isDirty && !this.#stopped) {
        lane.isDirty = false;
        await this.exchange(userId, home);
        lane.failures = 0;
      }
      lane.running = null;
      if (!lane.isDirty) this.#lanes.delete(key);
    } catch (error) {
      lane.running = null;
      this.failed(userId, home, error);
      // Who does not answer is left alone by all for a while; that it was not tried meanwhile is no failure of its own.
      const pause = this.pauseOf(home);
      if (pause === 0) lane.failures++;
      this.#wakeAfter(pause || FIRST_RETRY_MS * 2 ** Math.min(lane.failures, 20), key, home, lane);
    }
  }
}
