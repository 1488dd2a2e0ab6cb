import { boundedCache } from '../../storage/bounded-cache.js';

/** What one sender may have waiting in one inbox; beyond, the oldest of it are dropped. */
export const MAX_BYTES_OF_SENDER = 4 * 1024 * 1024;
export const MAX_MESSAGES_OF_SENDER = 5_000;
/** Measured after so much: a sender may be above his share by that. */
const BYTES_BETWEEN = MAX_BYTES_OF_SENDER / 8;
const MESSAGES_BETWEEN = 500;
const MAX_HELD = 50_000;

/** Tells when it is time to measure what a sender has put into an inbox, without asking the database each time. */
export class InboxShares {
  /** What has come since the last measurement. What is forgotten here is measured with the next message. */
  readonly #since = boundedCache<string, { bytes: number; messages: number }>(MAX_HELD);

  /** @returns whether the share is to be measured now */
  isDue({ userId, deviceId, sender }: { readonly userId: string; readonly deviceId: string; readonly sender: string }, bytes: number): boolean {
    const key = `${userId}\0${deviceId}\0${sender}`;
    const since = this.#since.get(key) ?? { bytes: BYTES_BETWEEN, messages: 0 };
    const [sum, count] = [since.bytes + bytes, since.messages + 1];
    const isDue = sum > BYTES_BETWEEN || count > MESSAGES_BETWEEN;
    this.#since.set(key, isDue ? { bytes: 0, messages: 0 } : { bytes: sum, messages: count });
    return isDue;
  }
}
