import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';

/** At once, in all and of one account. Each reads the graphs of up to 10,000 rooms. */
const CONCURRENCY = 8;
const PER_ACCOUNT = 2;
/** Of one device, the one that runs included. A client asks again only when it has given up the one before. */
const PER_DEVICE = 3;
const MAX_WAITING = 500;
const MAX_WAITING_PER_ACCOUNT = 20;
const RETRY_MS = 1_000;

/** Resumes cost more than other requests: one at a time per device, two per account, the accounts in turn. */
@Injectable()
export class ResumeTurns {
  readonly #perDevice = new KeyedQueue();
  // However long it takes, it is the database that is slow, and another one at the same time would not help.
  readonly #slots = new FairSlots(fairLimits(CONCURRENCY, {
    account: { quick: PER_ACCOUNT, fresh: PER_ACCOUNT, slow: PER_ACCOUNT, overdue: PER_ACCOUNT },
    waiting: MAX_WAITING, waitingPerAccount: MAX_WAITING_PER_ACCOUNT,
  }), Infinity);

  /** @throws MatrixError 429 `M_LIMIT_EXCEEDED` when the device, the account or all have too many waiting */
  async run<T>(userId: string, deviceId: string, work: () => Promise<T>): Promise<T> {
    const device = `${userId} ${deviceId}`;
    if (this.#perDevice.size(device) >= PER_DEVICE) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'This device resumes already', { retry_after_ms: RETRY_MS });
    return this.#perDevice.run(device, () => this.#slots.run({ account: userId }, work));
  }
}
