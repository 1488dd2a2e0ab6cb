import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { FairSlots, fairLimits } from '../federation/outgoing/fair-slots.js';
import { KeyedQueue } from '../observability/keyed-queue.js';

/** Answers of one account that are made at once, and that wait for their turn. */
const PER_ACCOUNT = 4;
const WAITING_PER_ACCOUNT = 100;
/** Answers that hold everything, which may be megabytes each, made at once for all. */
const WHOLE_AT_ONCE = 4;

/** Answers of `/sync` that are being made: a few at a time for each account, so that none takes the memory of all. */
@Injectable()
export class SyncTurns {
  readonly #accounts = new KeyedQueue(PER_ACCOUNT);
  readonly #whole = new FairSlots(fairLimits(WHOLE_AT_ONCE), Infinity);

  /**
   * @param isWhole whether the answer holds everything instead of what is new
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` when too many wait, and what `work` throws
   */
  run<T>(userId: string, isWhole: boolean, work: () => Promise<T>): Promise<T> {
    if (this.#accounts.size(userId) >= PER_ACCOUNT + WAITING_PER_ACCOUNT) {
      return Promise.reject(new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many syncs at once', { retry_after_ms: 1_000 }));
    }
    return this.#accounts.run(userId, isWhole ? () => this.#whole.run({ account: userId, destination: userId }, work) : work);
  }
}
