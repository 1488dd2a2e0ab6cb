import { Injectable } from '@nestjs/common';
import { acceptedInput, verifySignatureAsync, type HomeEntry, type HomeRecord } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** `unknown`: the server's keys are not to be had now. */
export type Consent = 'given' | 'refused' | 'unknown';

/** Signatures of one consent that are looked at; records hold no more. */
const MAX_SIGNATURES = 5;
const TIMEOUT_MS = 5_000;
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
    private readonly federation: FederationClient,
    private readonly clock: Clock,
  ) {}

  /** Whether the server has agreed to be a home of the account, as the record shows. */
  async of(record: HomeRecord, server: string): Promise<Consent> {
    const entry = record.homes.find((home) => home.server_name === server);
    if (!entry?.accepted) return 'refused';
    const cacheKey = `${record.user_id} ${server} ${entry.key} ${Object.values(entry.accepted).join(' ')}`;
    const known = this.#known.get(cacheKey);
    if (known && known.until > this.clock.steady()) return known.consent;
    const since = known?.consent === 'unknown' ? known.since : this.clock.steady();
    const found = await this.#verify(record.user_id, entry);
    // A key that the server itself does not know is made up. Else it would hold up everything that is meant for the server.
    const consent = found === 'unknown' && (await this.keyRing.toldAt(server)) >= since ? 'refused' : found;
    const lifetime = { given: Number.POSITIVE_INFINITY, refused: REFUSED_MS, unknown: RETRY_MS }[consent];
    this.#known.set(cacheKey, { consent, until: this.clock.steady() + lifetime, since });
    return consent;
  }

  /**
   * The consent carries no time, and `created_ts` is chosen by who signs the record: a key that the server does not list any more may be
   * in somebody else's hands. Then the server itself is asked.
   */
  async #verify(userId: string, entry: HomeEntry): Promise<Consent> {
    const signatures = Object.entries(entry.accepted ?? {}).slice(0, MAX_SIGNATURES);
    const text = acceptedInput(userId, entry.key, entry.server_name);
    for (const [keyId] of signatures) await this.keyRing.publicKey(entry.server_name, keyId);
    const listed = await this.keyRing.listed(entry.server_name);
    if (!listed) return 'unknown';
    if (await isSignedBy(text, signatures, listed.keys)) return 'given';
    const seen = await this.keyRing.everSeen(entry.server_name);
    if (await isSignedBy(text, signatures, seen)) return this.#ask(userId, entry, listed.keys);
    return signatures.every(([keyId]) => seen.has(keyId)) ? 'refused' : 'unknown';
  }

  async #ask(userId: string, entry: HomeEntry, keys: ReadonlyMap<string, string>): Promise<Consent> {
    const path = federationPath`/_matrix/federation/unstable/io.partyline/consent/${userId}`;
    try {
      const answer = await this.federation.request<Partial<HomeEntry>>({ destination: entry.server_name, method: 'GET', path, timeoutMs: TIMEOUT_MS });
      const accepted = typeof answer.accepted === 'object' && answer.accepted !== null ? Object.entries(answer.accepted).slice(0, MAX_SIGNATURES) : [];
      return (await isSignedBy(acceptedInput(userId, entry.key, entry.server_name), accepted, keys)) ? 'given' : 'refused';
    } catch (error) {
      if (error instanceof RemoteError && [403, 404].includes(error.remoteStatus)) return 'refused';
      if (error instanceof MatrixError) return 'unknown';
      throw error;
    }
  }
}

async function isSignedBy(text: string, signatures: readonly (readonly [keyId: string, signature: string])[], keys: ReadonlyMap<string, string>): Promise<boolean> {
  for (const [keyId, signature] of signatures) {
    const key = keys.get(keyId);
    if (key !== undefined && typeof signature === 'string' && (await verifySignatureAsync(key, text, signature))) return true;
  }
  return false;
}
