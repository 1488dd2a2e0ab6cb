import { Injectable } from '@nestjs/common';
import { highestRecord, isUserId, type HomeRecord } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { Log } from '../../observability/log.js';
import { AccountRecordStore } from './account-record.store.js';
import { FollowedRecords } from './followed-records.js';
import { HomeRecords } from './home-records.js';
import { compareRecordVersions, versionOf, type RecordVersion } from './record-version.js';

/** Accounts of one request. */
export const MAX_VERSIONS = 200;
/** Answers hold whole records, of at most 8,192 bytes. */
const MAX_BYTES = 4 * 1024 * 1024;
const recordsPath = '/_matrix/federation/unstable/io.partyline/records';

export interface Asking {
  readonly timeoutMs: number;
  /** Asks even a server that is being left alone, because somebody waits. */
  readonly ignoreBackoff?: boolean;
}

/** `told`: it said what it knows; `refused`: it lives and has nothing to say of records, which stands by none; `silent`: ask again. */
export type Answer = 'told' | 'refused' | 'silent';

/** Asks other servers which of their records are higher than those known here, for many accounts at once, and answers to that. */
@Injectable()
export class RecordExchange {
  constructor(
    private readonly store: AccountRecordStore,
    private readonly records: HomeRecords,
    private readonly followed: FollowedRecords,
    private readonly federation: FederationClient,
    private readonly log: Log,
  ) {}

  /** The records that are higher here than what somebody has; of accounts of which he has none (null), those that are known. */
  async higherThan(versions: ReadonlyMap<string, RecordVersion | null>): Promise<HomeRecord[]> {
    const stored = new Map((await this.store.many([...versions.keys()])).map((record) => [record.user_id, record]));
    const higher: HomeRecord[] = [];
    for (const [userId, theirs] of versions) {
      const record = stored.get(userId) ?? (await this.followed.of(userId));
      if (record && (!theirs || compareRecordVersions(versionOf(record), theirs) > 0)) higher.push(record);
    }
    return higher;
  }

  /** The versions that this server has, of accounts whose records it knows. */
  async versions(userIds: readonly string[]): Promise<Record<string, RecordVersion>> {
    const versions: Record<string, RecordVersion> = {};
    for (const userId of userIds) {
      const record = await this.records.get(userId);
      if (record) versions[userId] = versionOf(record);
    }
    return versions;
  }

  /** Versions of records that are higher here than what somebody claimed; he may ask for them. */
  async higherVersions(claimed: ReadonlyMap<string, RecordVersion>): Promise<Record<string, RecordVersion>> {
    const higher: Record<string, RecordVersion> = {};
    for (const [userId, theirs] of claimed) {
      const record = await this.records.get(userId);
      if (record && compareRecordVersions(versionOf(record), theirs) > 0) higher[userId] = versionOf(record);
    }
    return higher;
  }

  /**
   * Asks a server for higher records of accounts and takes what it gives.
   *
   * @param besides records that are not known here yet and count as what is known
   * @returns what came of it
   */
  async ask(destination: string, userIds: readonly string[], asking: Asking, besides: readonly HomeRecord[] = []): Promise<Answer> {
    try {
      for (let i = 0; i === 0 || i < userIds.length; i += MAX_VERSIONS) await this.#askPage(destination, userIds.slice(i, i + MAX_VERSIONS), asking, besides);
      return 'told';
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      this.log.debug('a server could not be asked for records', { destination, reason: String(error) });
      return error instanceof RemoteError && error.remoteStatus < 500 && error.remoteStatus !== 429 ? 'refused' : 'silent';
    }
  }

  async #askPage(destination: string, userIds: readonly string[], asking: Asking, besides: readonly HomeRecord[]): Promise<void> {
    const versions: Record<string, RecordVersion | null> = {};
    for (const userId of userIds) {
      const record = highestRecord([...besides.filter((one) => one.user_id === userId), ...(await this.known(userId))]);
      versions[userId] = record ? versionOf(record) : null;
    }
    const answer = await this.federation.request({ destination, method: 'POST', path: recordsPath, body: { versions }, maxBytes: MAX_BYTES, ...asking });
    const given = Array.isArray(answer['records']) ? (answer['records'] as unknown[]) : [];
    for (const value of given.slice(0, userIds.length)) {
      const userId = (value as { user_id?: unknown } | null)?.user_id;
      if (typeof userId !== 'string' || !isUserId(userId, { historical: true }) || !Object.hasOwn(versions, userId)) continue;
      await this.records.accept(value, destination).catch((error: unknown) => {
        if (!(error instanceof MatrixError)) throw error;
      });
    }
  }

  /** The record by which this server goes; a list, for being spread. */
  async known(userId: string): Promise<HomeRecord[]> {
    const record = await this.followed.of(userId);
    return record ? [record] : [];
  }
}
