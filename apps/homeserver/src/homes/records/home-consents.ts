import { Injectable } from '@nestjs/common';
import { acceptedInput, verifySignatureAsync, type HomeRecord } from '#federation';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** `unknown`: the server's keys are not to be had now. */
export type Consent = 'given' | 'refused' | 'unknown';

/** Signatures of one consent that are looked at; records hold no more. */
const MAX_SIGNATURES = 5;
/** How long it stands that a consent could not be verified … */
const RETRY_MS = 5_000;
/** … and that there is none. */
const REFUSED_MS = 10 * 60_000;

interface Verdict {
  readonly consent: Consent;
  readonly until: number;
  /** When the consent was first looked for. */
  readonly since: number;
}

/** Which servers have agreed to be homes (`accepted`): the others get nothing, else a record would aim other people's traffic at them. */
@Injectable()
export class HomeConsents {
  readonly #known = boundedCache<string, Verdict>(50_000);

  constructor(
    private readonly keyRing: KeyRing,
    private readonly clock: Clock,
  ) {}

  /** Whether the server has agreed to be a home of the account, as the record shows. */
  async of(record: HomeRecord, server: string): Promise<Consent> {
    const entry = record.homes.find((home) => home.server_name === server);
    if (!entry?.accepted) return 'refused';
    const cacheKey = `${record.user_id} ${server} ${entry.key} ${Object.values(entry.accepted).join(' ')}`;
    const known = this.#known.get(cacheKey);
    if (known && known.until > this.clock.now()) return known.consent;
    const since = known?.consent === 'unknown' ? known.since : this.clock.now();
    const found = await this.#verify(acceptedInput(record.user_id, entry.key, server), server, entry.accepted, record.genesis.created_ts);
    // A key that the server itself does not know is made up. Else it would hold up everything that is meant for the server.
    const consent = found === 'unknown' && (await this.keyRing.toldAt(server)) >= since ? 'refused' : found;
    const lifetime = { given: Number.POSITIVE_INFINITY, refused: REFUSED_MS, unknown: RETRY_MS }[consent];
    this.#known.set(cacheKey, { consent, until: this.clock.now() + lifetime, since });
    return consent;
  }

  async #verify(text: string, server: string, signatures: Readonly<Record<string, string>>, createdTs: number): Promise<Consent> {
    let consent: Consent = 'refused';
    for (const [keyId, signature] of Object.entries(signatures).slice(0, MAX_SIGNATURES)) {
      // The consent carries no time. Keys that were retired after the account began still prove it.
      const key = (await this.keyRing.publicKey(server, keyId)) ?? (await this.keyRing.publicKey(server, keyId, createdTs));
      if (key === undefined) consent = 'unknown';
      else if (await verifySignatureAsync(key, text, signature)) return 'given';
    }
    return consent;
  }
}
