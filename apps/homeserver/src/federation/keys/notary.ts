import { Injectable } from '@nestjs/common';
import { isServerName } from '#federation';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { KeyRing } from './key-ring.js';
import { KeyStore, keysInUse } from './key.store.js';

const MAX_SERVERS = 10_000;
/** How often a server is asked although it was asked lately, and in what time. */
const MAX_BURST = 4;
const BURST_MS = 60_000;
/** Keys of one server in one question. */
const MAX_KEYS_ASKED = 20;

/** What this server tells of the keys of others (server-server API, "Querying keys through another server"). */
@Injectable()
export class Notary {
  readonly #bursts = boundedCache<string, { readonly until: number; readonly count: number }>(MAX_SERVERS);

  constructor(
    private readonly ring: KeyRing,
    private readonly store: KeyStore,
    private readonly clock: Clock,
  ) {}

  /**
   * A server's signed key objects: the newest, refreshed when it does not reach `minimumValidUntil` any more, or an older one when the
   * server does not answer; in its place former ones that name the keys which are asked for, if it does not.
   *
   * @param minimumValidUntil milliseconds
   * @param keyIds none for any
   * @param cause whose doing it is that the server is asked, such as an address
   */
  async responses(serverName: string, minimumValidUntil: number, keyIds: readonly string[], cause: string): Promise<string[]> {
    if (!isServerName(serverName)) return [];
    const newest = await this.#newest(serverName, minimumValidUntil, cause);
    if (newest === undefined) return [];
    const inUse = keysInUse(newest);
    const lacking = keyIds.filter((keyId) => !inUse.includes(keyId));
    const past = lacking.length === 0 ? [] : await this.store.past(serverName, lacking.slice(0, MAX_KEYS_ASKED));
    return past.length > 0 && lacking.length === keyIds.length ? past : [newest, ...past];
  }

  async #newest(serverName: string, minimumValidUntil: number, cause: string): Promise<string | undefined> {
    const now = this.clock.now();
    const stored = await this.store.response(serverName);
    // An answer is handed out for half of its lifetime (keys_server.yaml).
    const isFresh = stored && now < stored.fetchedTs + (stored.validUntilTs - stored.fetchedTs) / 2;
    if (stored && isFresh && stored.validUntilTs >= minimumValidUntil) return stored.json;
    await this.ring.renew(serverName, cause, () => this.#mayAskAnyway(serverName));
    return (await this.store.response(serverName))?.json;
  }

  /** Whoever names a time gets a new answer, a few times in a row. */
  #mayAskAnyway(serverName: string): boolean {
    const now = this.clock.steady();
    const burst = this.#bursts.get(serverName);
    const count = burst && burst.until > now ? burst.count : 0;
    if (count >= MAX_BURST) return false;
    this.#bursts.set(serverName, { until: count > 0 ? burst!.until : now + BURST_MS, count: count + 1 });
    return true;
  }
}
