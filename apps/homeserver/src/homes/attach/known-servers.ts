import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { HeardRecords, HomeEntry, HomeRecord } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Config } from '../../config/config.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import type { RecordBringer } from '../records/home-records.js';
import { RecordTellingsStore } from './record-tellings.store.js';

/** An asker is written down once in so long. */
const ASKED_AGAIN_MS = 24 * 3_600_000;
const MAX_REMEMBERED = 50_000;
/** Servers of its rooms that are told by a server that is no home any more, and so cannot make member events. */
const MAX_ROOM_SERVERS = 1_000;
const PURGE_EVERY_MS = 24 * 3_600_000;

/** Who goes by the record of an account here, so that he has to be told of the next one. */
@Injectable()
export class KnownServers implements OnModuleInit, OnModuleDestroy {
  readonly #asked = boundedCache<string, number>(MAX_REMEMBERED);
  #purging: NodeJS.Timeout | undefined;

  constructor(
    private readonly config: Config,
    private readonly directory: AccountDirectory,
    private readonly memberships: Memberships,
    private readonly store: RecordTellingsStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    const purge = (): void => {
      this.store.forgetAskers(this.clock.now()).catch((error: unknown) => this.log.error('old askers could not be forgotten', error));
    };
    this.#purging = setInterval(purge, PURGE_EVERY_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#purging);
  }

  /** Another server asked for keys or records of accounts; those of this server count. */
  async asked(userIds: readonly string[], server: string): Promise<void> {
    const now = this.clock.now();
    const fresh = userIds.filter((userId) => this.directory.has(userId) && now - (this.#asked.get(`${userId} ${server}`) ?? 0) > ASKED_AGAIN_MS);
    if (fresh.length === 0) return;
    for (const userId of fresh) this.#asked.set(`${userId} ${server}`, now);
    await this.store.asked(fresh, server, now);
  }

  /**
   * Servers to be told of a record in place of another, with what shows that they agreed to be a home (null for those that asked
   * by themselves). Empty unless the account lives or lived here, or the record was published here.
   */
  async of({ record, rivals }: HeardRecords, previous: HomeRecord | undefined, from: RecordBringer): Promise<Map<string, HomeEntry | null>> {
    const own = this.config.serverName;
    const named = [...rivals.flatMap(({ homes }) => homes), ...record.homes];
    const isHome = named.some((home) => home.server_name === own) || (record.deactivated === true && this.directory.has(record.user_id));
    const wasHome = previous?.homes.some((home) => home.server_name === own) ?? false;
    const servers = new Map<string, HomeEntry | null>();
    if (!isHome && !wasHome && from !== 'client') return servers;
    for (const entry of [...(previous?.homes ?? []), ...named]) servers.set(entry.server_name, entry);
    for (const name of await this.#others(record, isHome)) if (!servers.has(name)) servers.set(name, null);
    servers.delete(own);
    // Who brought one of several that were signed apart may lack the others.
    if (from !== undefined && rivals.length === 0) servers.delete(from);
    return servers;
  }

  /** Rooms are told by member events, which only a home can make. */
  async #others({ user_id: userId }: HomeRecord, isHome: boolean): Promise<string[]> {
    if (!this.directory.has(userId)) return [];
    const askers = await this.store.askers(userId, this.clock.now());
    if (isHome) return askers;
    return [...askers, ...(await this.memberships.serversSharingRoomWith(userId))].slice(0, MAX_ROOM_SERVERS);
  }
}
