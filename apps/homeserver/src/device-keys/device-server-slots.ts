import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Destinations } from '../federation/outgoing/destinations.js';
import { FairSlots, fairLimits } from '../federation/outgoing/fair-slots.js';
import { Clock } from '../observability/clock.js';

/** Servers that one request of a client may have asked; a client asks for the rest with its next one. */
export const MAX_SERVERS_PER_REQUEST = 300;

/** Questions about devices and keys to other servers: in turn among the accounts that ask, each within the time that its client waits. */
@Injectable()
export class DeviceServerSlots {
  readonly #slots = new FairSlots(fairLimits(64, { waitingPerAccount: 2 * MAX_SERVERS_PER_REQUEST }));

  constructor(
    private readonly clock: Clock,
    destinations: Destinations,
  ) {
    this.#slots.learnFrom(destinations);
  }

  /**
   * @param account who asks; null for this server itself
   * @param work gets the milliseconds that are left of `timeoutMs`
   * @throws MatrixError 429 when too much waits, 504 when its turn does not come in time, and what `work` throws
   */
  run<T>(account: string | null, destination: string, timeoutMs: number, work: (leftMs: number) => Promise<T>): Promise<T> {
    const until = this.clock.steady() + timeoutMs;
    return this.#slots.run({ account: account ?? undefined, destination }, () => {
      const left = until - this.clock.steady();
      if (left <= 0) throw MatrixError.unknown(504, `${destination} could not be asked in time`);
      return work(left);
    });
  }
}
