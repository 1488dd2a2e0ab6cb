import { Injectable } from '@nestjs/common';
import { acceptedInput, type HomeRecord } from '#federation';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { Clock } from '../../observability/clock.js';
import { HomeRecords } from './home-records.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** How long a refusal stands: the server's key may only not have been available. */
const REFUSED_FOR_MS = 60_000;

/** Which servers have agreed to be homes (`accepted`): the others get nothing, else a record would aim other people's traffic at them. */
@Injectable()
export class HomeConsents {
  readonly #known = boundedCache<string, { isGiven: boolean; until: number }>(50_000);

  constructor(
    private readonly keyRing: KeyRing,
    private readonly records: HomeRecords,
    private readonly clock: Clock,
  ) {}

  /** Whether the server has agreed to be a home of the account, by the account's highest record. */
  async has(userId: string, server: string): Promise<boolean> {
    const record = await this.records.get(userId);
    return record !== undefined && this.isGiven(record, server);
  }

  async isGiven(record: HomeRecord, server: string): Promise<boolean> {
    const entry = record.homes.find((home) => home.server_name === server);
    if (!entry?.accepted) return false;
    const cacheKey = `${record.user_id} ${server} ${entry.key}`;
    const known = this.#known.get(cacheKey);
    if (known && (known.isGiven || known.until > this.clock.now())) return known.isGiven;
    const text = acceptedInput(record.user_id, entry.key, server);
    // The consent carries no time. Keys that were retired after the account began still prove it.
    const isGiven = (await this.keyRing.verify(server, text, entry.accepted))
      || (await this.keyRing.verify(server, text, entry.accepted, record.genesis.created_ts));
    this.#known.set(cacheKey, { isGiven, until: this.clock.now() + REFUSED_FOR_MS });
    return isGiven;
  }
}
