import { Injectable } from '@nestjs/common';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { SharedRuns } from '../../observability/shared-runs.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { RecordExchange } from './record-exchange.js';
import { compareRecordVersions, isNews, versionKey, versionOfHeard, type RecordVersion } from './record-version.js';

const TIMEOUT_MS = 10_000;
/** Who claimed a record that he could not show is not believed about that account for so long. */
const DISBELIEVED_MS = 3_600_000;

/**
 * Versions of records that others mention, in transactions, operations and answers about keys, so that whoever is behind notices.
 * A claim is only a reason to ask the one who made it, once.
 */
@Injectable()
export class RecordClaims {
  readonly #asking = new SharedRuns<void>();
  /** Versions that were looked at and brought nothing that counts here. */
  readonly #looked = boundedCache<string, string>(50_000);
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
      this.#check(origin, userId, version, false).catch((error: unknown) => this.log.debug('a claimed record was not asked for', { origin, userId, reason: String(error) }));
    }
  }

  /** Resolves when the claimed record is here, or was asked for in vain; also of an account that nobody here knows. */
  async settle(origin: string, userId: string, version: RecordVersion): Promise<void> {
    await this.#check(origin, userId, version, true);
  }

  async #check(origin: string, userId: string, claimed: RecordVersion, isUnknownAskedFor: boolean): Promise<void> {
    const key = `${origin} ${userId}`;
    const known = await this.exchange.heard(userId);
    if (known ? !isNews(claimed, versionOfHeard(known)) : !isUnknownAskedFor) return;
    if ((this.#disbelieved.get(key) ?? 0) > this.clock.steady() || this.#looked.get(key) === versionKey(claimed)) return;
    await this.#asking.run(key, () => this.#ask(origin, userId, claimed));
  }

  async #ask(origin: string, userId: string, claimed: RecordVersion): Promise<void> {
    await this.#slots.run({ account: userId, destination: origin }, () => this.exchange.ask(origin, [userId], { timeoutMs: TIMEOUT_MS }));
    const now = await this.exchange.heard(userId);
    if (!now || !isNews(claimed, versionOfHeard(now))) return;
    // What restricts a record there need not restrict it here: that is no lie.
    if (compareRecordVersions(claimed, versionOfHeard(now)) <= 0) this.#looked.set(`${origin} ${userId}`, versionKey(claimed));
    else this.#disbelieved.set(`${origin} ${userId}`, this.clock.steady() + DISBELIEVED_MS);
  }
}
