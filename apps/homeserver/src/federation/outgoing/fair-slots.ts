import { MatrixError } from '../../errors/matrix-error.js';
import type { Destinations } from './destinations.js';
import { UnreachableError } from './remote-error.js';
import { FairOrder, type Errand, type FairLimits, type FairShares, type Ticket } from './fair-order.js';

/** What takes longer is overdue. */
const SLOW_MS = 1_000;
/** What takes so many times as long is late, and makes its destination a slow one. */
const LATE = 5;

/** Limits in proportion to the pieces that run at once to servers that answer. */
export function fairLimits(size: number, limits: Partial<FairLimits> = {}): FairLimits {
  const shares = (quick: number): FairShares => ({ quick, fresh: part(quick, 2), slow: part(quick, 4), overdue: 4 * quick });
  return {
    all: shares(size), account: shares(part(size, 4)), perDestination: part(size, 4),
    waiting: 10_000, waitingPerAccount: 1_000, bytes: 64 * 1024 * 1024, bytesPerAccount: 16 * 1024 * 1024,
    ...limits,
  };
}

function part(size: number, divisor: number): number {
  return Math.max(1, Math.floor(size / divisor));
}

/**
 * Runs work for many accounts with many servers so that none of them pays for others (docs/protocol.md, "Fairness and limits"):
 * a few pieces at once per account and per destination, accounts in turn, and servers that are silent or slow in a share of
 * their own. `FairOrder` decides; this adds time.
 */
export class FairSlots {
  readonly #order: FairOrder;
  readonly #slowMs: number;

  /** @param slowMs infinite for work that waits for no other server */
  constructor(limits: FairLimits, slowMs = SLOW_MS) {
    this.#order = new FairOrder(limits);
    this.#slowMs = slowMs;
  }

  /**
   * Heeds what servers answer elsewhere. One that stumbled once would else wait for its turn among those that are silent for good,
   * however well it answers everything else.
   */
  learnFrom(destinations: Destinations): void {
    destinations.onQuick((destination) => this.#order.setQuick(destination));
  }

  /** Pieces that wait for their turn. */
  get waiting(): number {
    return this.#order.waiting;
  }

  /**
   * @param work should end by itself: its time-out is its own
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` when too much waits already, and what `work` throws
   */
  async run<T>(errand: Errand, work: () => Promise<T>): Promise<T> {
    const ticket = await new Promise<Ticket>((resolve) => this.#order.enter(errand, resolve));
    let timer = this.#after(this.#slowMs, () => {
      this.#order.setOverdue(ticket);
      timer = this.#after((LATE - 1) * this.#slowMs, () => this.#order.setLate(ticket));
    });
    let isAnswered = true;
    try {
      return await work();
    } catch (error) {
      // A refusal is an answer, and so is what makes no sense.
      isAnswered = error instanceof MatrixError && !(error instanceof UnreachableError);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#order.leave(ticket, isAnswered);
    }
  }

  #after(ms: number, act: () => void): NodeJS.Timeout | undefined {
    return ms === Infinity ? undefined : setTimeout(act, ms).unref();
  }
}
