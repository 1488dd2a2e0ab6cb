import { boundedCache } from '../../storage/bounded-cache.js';

const MAX_ACCOUNTS = 10_000;

/**
 * How often the rooms of an account are told at once that a home was taken away. Who owns an account key can take one away and
 * add it again without end, and each time is an event in each of the account's rooms.
 */
export class RemovalBudget {
  readonly #accounts = boundedCache<string, { left: number; at: number; epoch: number }>(MAX_ACCOUNTS);

  /**
   * @param burst at once
   * @param pauseMs for one more
   */
  constructor(
    private readonly burst: number,
    private readonly pauseMs: number,
  ) {}

  /** Takes one. @returns milliseconds until there is one; 0 when it was taken, which it always is for what R has done */
  take(userId: string, epoch: number, now: number): number {
    const known = this.#accounts.get(userId);
    if (known && known.epoch >= epoch) {
      const left = Math.min(this.burst, known.left + Math.max(0, now - known.at) / this.pauseMs);
      this.#accounts.set(userId, { left: left >= 1 ? left - 1 : left, at: now, epoch: known.epoch });
      return left >= 1 ? 0 : Math.ceil((1 - left) * this.pauseMs);
    }
    this.#accounts.set(userId, { left: (known?.left ?? this.burst) - 1, at: now, epoch });
    return 0;
  }
}
