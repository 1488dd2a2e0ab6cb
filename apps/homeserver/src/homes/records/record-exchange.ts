import { Injectable } from '@nestjs/common';
import { canonicalJson, compareRecords, isUserId, sha256, unpaddedBase64, type HeardRecords, type HomeRecord } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { Log } from '../../observability/log.js';
import { Random } from '../../observability/random.js';
import { AccountRecordStore } from './account-record.store.js';
import { FollowedRecords } from './followed-records.js';
import { HomeRecords } from './home-records.js';
import { compareRecordVersions, isNews, versionOf, versionOfHeard, type RecordVersion } from './record-version.js';

/** Accounts of one request. */
export const MAX_VERSIONS = 200;
const NONCE_BYTES = 16;
/** Of one account: the record, and rivals of it. */
const MAX_RECORDS = 7;
/** Answers hold whole records, of at most 8,192 bytes. */
const MAX_BYTES = 4 * 1024 * 1024;
const recordsPath = '/_matrix/federation/unstable/io.partyline/records';

export interface Asking {
  readonly timeoutMs: number;
  /** Asks even a server that is being left alone, because somebody waits. */
  readonly ignoreBackoff?: boolean;
}

/** What came of asking a server. */
export interface Answer {
  /** `told`: it said what it knows; `refused`: it lives and has nothing to say of records, which stands by none; `silent`: ask again. */
  readonly outcome: 'told' | 'refused' | 'silent';
  /** Accounts of which it has shown a record, so that it has looked: not that it knows of none. */
  readonly shown: ReadonlySet<string>;
}

/** Asks other servers which of their records are higher than those known here, for many accounts at once, and answers to that. */
@Injectable()
export class RecordExchange {
  constructor(
    private readonly store: AccountRecordStore,
    private readonly records: HomeRecords,
    private readonly followed: FollowedRecords,
    private readonly federation: FederationClient,
    private readonly random: Random,
    private readonly log: Log,
  ) {}

  /**
   * The records that somebody with these versions lacks: higher ones, and those that were signed apart; of accounts of which he has
   * none (null), those that are known. With a nonce also lower ones, and of equal ones a proof that they are here.
   */
  async newsFor(versions: ReadonlyMap<string, RecordVersion | null>, nonce?: string): Promise<RecordsBody> {
    const stored = new Map((await this.store.many([...versions.keys()])).map((heard) => [heard.record.user_id, heard]));
    const news: HomeRecord[] = [];
    const proofs: Record<string, string> = {};
    for (const [userId, theirs] of versions) {
      const heard = stored.get(userId) ?? (await this.heard(userId));
      if (!heard) continue;
      const order = theirs ? compareRecordVersions(versionOf(heard.record), theirs) : 1;
      if (order > 0 || (order < 0 && nonce !== undefined)) news.push(heard.record);
      else if (order === 0 && nonce !== undefined) proofs[userId] = recordProof(nonce, heard.record);
      news.push(...heard.rivals.filter((rival) => !theirs?.includes(versionOf(rival)[2])));
    }
    return { records: news, ...(nonce !== undefined && { proofs }) };
  }

  /** The versions that this server has, of accounts whose records it knows. */
  async versions(userIds: readonly string[]): Promise<Record<string, RecordVersion>> {
    const versions: Record<string, RecordVersion> = {};
    for (const userId of userIds) {
      const heard = await this.records.heard(userId);
      if (heard) versions[userId] = versionOfHeard(heard);
    }
    return versions;
  }

  /** Versions of records that are higher here than what somebody claimed; he may ask for them. */
  async higherVersions(claimed: ReadonlyMap<string, RecordVersion>): Promise<Record<string, RecordVersion>> {
    const higher: Record<string, RecordVersion> = {};
    for (const [userId, theirs] of claimed) {
      const heard = await this.records.heard(userId);
      if (heard && isNews(versionOfHeard(heard), theirs)) higher[userId] = versionOfHeard(heard);
    }
    return higher;
  }

  /**
   * Asks a server for higher records of accounts and takes what it gives.
   *
   * @param besides records that are not known here yet and count as what is known
   */
  async ask(destination: string, userIds: readonly string[], asking: Asking, besides: readonly HomeRecord[] = []): Promise<Answer> {
    const shown = new Set<string>();
    try {
      for (let i = 0; i === 0 || i < userIds.length; i += MAX_VERSIONS) await this.#askPage(destination, userIds.slice(i, i + MAX_VERSIONS), asking, besides, shown);
      return { outcome: 'told', shown };
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      this.log.debug('a server could not be asked for records', { destination, reason: String(error) });
      return { outcome: error instanceof RemoteError && error.remoteStatus < 500 && error.remoteStatus !== 429 ? 'refused' : 'silent', shown };
    }
  }

  async #askPage(destination: string, userIds: readonly string[], asking: Asking, besides: readonly HomeRecord[], shown: Set<string>): Promise<void> {
    const nonce = this.random.bytes(NONCE_BYTES).toString('hex');
    const versions: Record<string, RecordVersion | null> = {};
    for (const userId of userIds) {
      const heard = await this.heard(userId);
      const beside = besides.find((record) => record.user_id === userId && (!heard || compareRecords(record, heard.record) > 0));
      versions[userId] = beside ? versionOf(beside) : heard ? versionOfHeard(heard) : null;
    }
    const answer = await this.federation.request({ destination, method: 'POST', path: recordsPath, body: { versions, nonce }, maxBytes: MAX_BYTES, ...asking });
    const given = Array.isArray(answer['records']) ? (answer['records'] as unknown[]) : [];
    for (const value of given.slice(0, MAX_RECORDS * userIds.length)) {
      const userId = (value as { user_id?: unknown } | null)?.user_id;
      if (typeof userId !== 'string' || !isUserId(userId, { historical: true }) || !Object.hasOwn(versions, userId)) continue;
      await this.records.accept(value, destination).then(() => shown.add(userId), (error: unknown) => {
        if (!(error instanceof MatrixError)) throw error;
      });
    }
    const proofs = (typeof answer['proofs'] === 'object' ? answer['proofs'] : null) as Record<string, unknown> | null;
    for (const userId of userIds) {
      const [record] = proofs?.[userId] === undefined ? [] : await this.known(userId);
      if (record && proofs?.[userId] === recordProof(nonce, record)) shown.add(userId);
    }
  }

  /** The record by which this server goes, with what restricts it. */
  async heard(userId: string): Promise<HeardRecords | undefined> {
    return (await this.followed.of(userId)) && this.records.heard(userId);
  }

  /** The record by which this server goes; a list, for being spread. */
  async known(userId: string): Promise<HomeRecord[]> {
    const record = await this.followed.of(userId);
    return record ? [record] : [];
  }
}

/** Answer of `POST records`. */
export interface RecordsBody {
  readonly records: readonly HomeRecord[];
  readonly proofs?: Readonly<Record<string, string>>;
}

/** Shows that somebody holds a record, to who holds it too: nobody can know it from the question. Unpadded Base64. */
function recordProof(nonce: string, record: HomeRecord): string {
  return unpaddedBase64(sha256(`${nonce}${canonicalJson(record)}`));
}
