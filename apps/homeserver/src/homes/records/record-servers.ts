import { Injectable } from '@nestjs/common';
import { genesisHash, serverNameOf, type HomeRecord } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { atMost } from '../../observability/at-most.js';
import { Clock } from '../../observability/clock.js';
import { HomeConsents } from './home-consents.js';
import { HomeRecords } from './home-records.js';
import { RecordRefresh } from './record-refresh.js';
import { recordPath } from './record-path.js';
import { FollowedRecords } from './followed-records.js';
import { boundedCache } from '../../storage/bounded-cache.js';

const TIMEOUT_MS = 5_000;
/** Its keys are at hand, but for the first time. */
const CONSENT_MS = 1_000;
/** A server that knows no records is not asked again about an account for so long. */
const MISSING_FOR_MS = 10 * 60_000;

/** Which servers serve an account, from its home record. */
@Injectable()
export class RecordServers extends AccountServers {
  readonly #missing = boundedCache<string, number>(20_000);

  constructor(
    private readonly records: HomeRecords,
    private readonly followed: FollowedRecords,
    private readonly refresh: RecordRefresh,
    private readonly consents: HomeConsents,
    private readonly identities: HomeIdentities,
    private readonly directory: AccountDirectory,
    private readonly federation: FederationClient,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    super();
  }

  override async check(userIds: readonly string[]): Promise<void> {
    await this.refresh.beforeUse(userIds.filter((userId) => !this.directory.has(userId)));
  }

  override async isUnconfirmed(userId: string): Promise<boolean> {
    return !this.directory.has(userId) && this.refresh.isUnconfirmed(userId);
  }

  override async of(userId: string): Promise<readonly string[]> {
    await this.check([userId]);
    const record = await this.followed.of(userId);
    // Nobody speaks for an account that has ended, its domain least of all.
    if (record?.deactivated) return [];
    if (!record || record.homes.length === 0) return [serverNameOf(userId)];
    const homes = [...(await this.records.homesOf(userId))].sort((a, b) => a.priority - b.priority).map((home) => home.server_name);
    const refuse = await Promise.all(homes.map((home) => this.#hasRefused(record, home)));
    return homes.filter((_home, i) => !refuse[i]);
  }

  override async isPortable(userId: string): Promise<boolean> {
    if (await this.followed.of(userId)) return true;
    try {
      if (this.directory.has(userId)) return (await this.identities.record(userId)) !== undefined;
      return await this.#fetch(userId);
    } catch (error) {
      // Servers without home records answer with an error, dead ones not at all.
      if (error instanceof MatrixError) return false;
      throw error;
    }
  }

  override async genesisOf(userId: string): Promise<string | undefined> {
    if (!(await this.isPortable(userId))) return undefined;
    const record = this.directory.has(userId) ? await this.identities.record(userId) : await this.followed.of(userId);
    return record && genesisHash(record.genesis);
  }

  override knownRecord(userId: string): Promise<HomeRecord | undefined> {
    return this.followed.of(userId);
  }

  override hasDropped(userId: string, server: string, shown: HomeRecord | undefined): Promise<boolean> {
    return this.records.hasDropped(userId, server, shown);
  }

  override async highestRecord(shown: HomeRecord, from?: string): Promise<HomeRecord | undefined> {
    try {
      return (await this.records.accept(shown, from)).record;
    } catch (error) {
      if (error instanceof MatrixError) return undefined;
      throw error;
    }
  }

  /** Anybody can write another's server into a record. One of which it cannot be told soon is asked: it may have changed its key. */
  async #hasRefused(record: HomeRecord, home: string): Promise<boolean> {
    if (home === this.config.serverName) return false;
    return (await atMost(this.consents.of(record, home), CONSENT_MS, 'unknown')) === 'refused';
  }

  async #fetch(userId: string): Promise<boolean> {
    const server = serverNameOf(userId);
    if (server === this.config.serverName || (this.#missing.get(userId) ?? 0) > this.clock.steady()) return false;
    try {
      const answer = await this.federation.request({ destination: server, method: 'GET', path: recordPath(userId), timeoutMs: TIMEOUT_MS });
      return (await this.records.accept(answer, server)).record.user_id === userId;
    } catch (error) {
      this.#missing.set(userId, this.clock.steady() + MISSING_FOR_MS);
      throw error;
    }
  }
}
