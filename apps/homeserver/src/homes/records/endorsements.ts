import { Injectable } from '@nestjs/common';
import {
  canonicalJson, endorsementInput, genesisHash, HomeRecordError, isSelfCertifying, readHomeRecord, verifyHomeRecord, verifySignatureAsync,
  type HomeRecord,
} from '#federation';
import { FederationClient } from '../../federation/federation-client.js';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { RemoteError, UnreachableError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { SharedRuns } from '../../observability/shared-runs.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { DomainSilence } from './domain-silence.js';
import { recordPath } from './record-path.js';

/**
 * Whether the domain of a name stands for a genesis: `proven`; `refused`, because it lives and says otherwise; `silent`, because it
 * cannot be asked now. The last says nothing for good: it is asked again.
 */
export type Proof = 'proven' | 'refused' | 'silent';

/** Somebody waits for the answer; a dead domain must not hold them up. */
const TIMEOUT_MS = 5_000;
/** A domain that was asked is not asked the same again before. */
const REFUSED_FOR_MS = 60_000;
const SILENT_FOR_MS = 1_000;

interface Verdict {
  readonly proof: Proof;
  readonly until: number;
}

/** Whether the genesis of a named account is the one that its domain stands for (protocol §2). */
@Injectable()
export class Endorsements {
  readonly #known = boundedCache<string, Verdict>(50_000);
  readonly #checks = new SharedRuns<Proof>();

  constructor(
    private readonly keyRing: KeyRing,
    private readonly serverKeys: ServerKeys,
    private readonly federation: FederationClient,
    private readonly silence: DomainSilence,
    private readonly clock: Clock,
  ) {}

  /** Of the genesis, the endorsement and its terms; the record itself is verified before. */
  check(record: HomeRecord): Promise<Proof> {
    if (isSelfCertifying(record.user_id)) return Promise.resolve('proven');
    const key = `${record.user_id} ${genesisHash(record.genesis)} ${endorsementText(record)}`;
    const known = this.#known.get(key);
    if (known && known.until > this.clock.steady()) return Promise.resolve(known.proof);
    return this.#checks.run(key, async () => {
      const proof = await this.#check(record);
      const lifetime = { proven: Number.POSITIVE_INFINITY, refused: REFUSED_FOR_MS, silent: SILENT_FOR_MS }[proof];
      this.#known.set(key, { proof, until: this.clock.steady() + lifetime });
      return proof;
    });
  }

  /** Whether a proven genesis is what its domain has put in the place of a provisional one: it says so, or does when it is asked. */
  async isInPlaceOf(record: HomeRecord, genesisSha256: string): Promise<boolean> {
    const { server_name: domain } = record.genesis;
    if (record.endorsement_terms?.supersedes === genesisSha256) return true;
    return domain !== this.serverKeys.serverName && (await this.#ask(domain, record)) === 'proven';
  }

  /**
   * A key that the domain does not list any more proves nothing by itself, whatever `created_ts` says: who has stolen it dates back.
   * Then the domain's own answer decides.
   */
  async #check(record: HomeRecord): Promise<Proof> {
    const { server_name: domain } = record.genesis;
    const listed = await this.keyRing.listed(domain);
    if (listed && (await isEndorsedBy(record, listed.keys))) return 'proven';
    return domain === this.serverKeys.serverName ? 'refused' : this.#ask(domain, record);
  }

  async #ask(domain: string, record: HomeRecord): Promise<Proof> {
    let answer: unknown;
    try {
      answer = await this.federation.request({ destination: domain, method: 'GET', path: recordPath(record.user_id), timeoutMs: TIMEOUT_MS });
      this.silence.ended(domain);
    } catch (error) {
      // An error of the moment is no answer.
      if (error instanceof RemoteError && [403, 404].includes(error.remoteStatus)) {
        this.silence.ended(domain);
        return 'refused';
      }
      if (!(error instanceof RemoteError) && !(error instanceof UnreachableError)) throw error;
      await this.silence.noted(domain);
      return 'silent';
    }
    try {
      const known = readHomeRecord(answer);
      verifyHomeRecord(known);
      const isSame = known.user_id === record.user_id && canonicalJson(known.genesis) === canonicalJson(record.genesis);
      // Who has the domain's provisional word only must not pass it off as its last one by leaving out what it says.
      const isFinal = known.endorsement_terms?.provisional !== true || record.endorsement_terms?.provisional === true;
      return isSame && isFinal ? 'proven' : 'refused';
    } catch (error) {
      if (error instanceof HomeRecordError) return 'refused';
      throw error;
    }
  }
}

/** Whether one of these keys (id → Base64) of the domain has signed the endorsement that the record carries, with its terms. */
export async function isEndorsedBy(record: HomeRecord, keys: ReadonlyMap<string, string>): Promise<boolean> {
  const text = endorsementInput(record.genesis, record.endorsement_terms);
  for (const [keyId, signature] of Object.entries(record.endorsement ?? {})) {
    const key = keys.get(keyId);
    if (key !== undefined && (await verifySignatureAsync(key, text, signature))) return true;
  }
  return false;
}

/** The endorsement of a record as one text, to see whether it is another one. */
export function endorsementText(record: HomeRecord): string {
  return canonicalJson({ ...record.endorsement_terms, signatures: record.endorsement ?? {} });
}
