import { Injectable } from '@nestjs/common';
import {
  canonicalJson, endorsementInput, HomeRecordError, isSelfCertifying, readHomeRecord, verifyHomeRecord, type HomeRecord,
} from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { UnreachableError } from '../../federation/outgoing/remote-error.js';
import { recordPath } from './record-path.js';

/** Somebody waits for the answer; a dead domain must not hold them up. */
const TIMEOUT_MS = 5_000;

/** Whether the genesis of a named account is the one that its domain stands for (protocol §2). */
@Injectable()
export class Endorsements {
  constructor(
    private readonly keyRing: KeyRing,
    private readonly serverKeys: ServerKeys,
    private readonly federation: FederationClient,
  ) {}

  /**
   * @returns true when the genesis is proven; false when the domain cannot be asked, so that the genesis is good only until
   *   a proven one comes
   * @throws MatrixError 403 `M_FORBIDDEN` when the domain does not stand for it
   */
  async check(record: HomeRecord): Promise<boolean> {
    if (isSelfCertifying(record.user_id)) return true;
    const { server_name: domain, created_ts: createdTs } = record.genesis;
    // The name of a person who founded the account years ago is good, although the domain signs with another key today.
    if (await this.keyRing.verify(domain, endorsementInput(record.genesis), record.endorsement, createdTs)) return true;
    if (domain === this.serverKeys.serverName) throw notEndorsed(domain);
    return this.#ask(domain, record);
  }

  /** The endorsement could not be verified, perhaps with a key that is long gone: the domain itself decides, if it lives. */
  async #ask(domain: string, record: HomeRecord): Promise<boolean> {
    try {
      const answer = await this.federation.request({ destination: domain, method: 'GET', path: recordPath(record.user_id), timeoutMs: TIMEOUT_MS });
      const known = readHomeRecord(answer);
      verifyHomeRecord(known);
      if (known.user_id === record.user_id && canonicalJson(known.genesis) === canonicalJson(record.genesis)) return true;
    } catch (error) {
      if (error instanceof UnreachableError && record.endorsement !== undefined) return false;
      if (!(error instanceof HomeRecordError) && !(error instanceof MatrixError)) throw error;
    }
    throw notEndorsed(domain);
  }
}

function notEndorsed(domain: string): MatrixError {
  return MatrixError.forbidden(`${domain} does not stand for this account`);
}
