import { Injectable } from '@nestjs/common';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { RecordExchange } from './record-exchange.js';
import { compareRecordVersions, versionOf, type RecordVersion } from './record-version.js';

const TIMEOUT_MS = 10_000;
/** Who claimed a record that he could not show is not believed about that account for so long. */
const DISBELIEVED_MS = 3_600_000;

/**
 * Versions of records that others mention, in transactions, operations and answers about keys, so that whoever is behind notices.
 * A claim is only a reason to ask the one who made it, once.
 */
@Injectable()
export class RecordClaims {
  readonly #asking = new Set<string>();
  readonly #disbelieved = boundedCache<string, number>(50_000);
  readonly #slots = new FairSlots(fairLimits(16));

  constructor(
    private readonly exchange: RecordExchange,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Returns at once. Accounts that nobody here knows are passed over. */
  noticed(origin: string, versions: ReadonlyMap<string, RecordVersion>): void {
    for (const [userId, version] of versions) {
      this.#check(origin, userId, version).catch((error: unknown) => this.log.debug('a claimed record was not asked for', { origin, userId, reason: String(error) }));
    }
  }

  async #check(origin: string, userId: string, claimed: RecordVersion): Promise<void> {
    const key = `${origin} ${userId}`;
    const [known] = await this.exchange.known(userId);
    if (!known || compareRecordVersions(claimed, versionOf(known)) <= 0) return;
    if (this.#asking.has(key) || (this.#disbelieved.get(key) ?? 0) > this.clock.now()) return;
    this.#asking.add(key);
    try {
      await this.#slots.run({ account: userId, destination: origin }, () => this.exchange.ask(origin, [userId], { timeoutMs: TIMEOUT_MS }));
      const [now] = await this.exchange.known(userId);
      if (now && compareRecordVersions(claimed, versionOf(now)) > 0) this.#disbelieved.set(key, this.clock.now() + DISBELIEVED_MS);
    } finally {
      this.#asking.delete(key);
    }
  }
}
