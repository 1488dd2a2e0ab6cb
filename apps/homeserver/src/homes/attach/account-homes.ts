import { Injectable } from '@nestjs/common';
import { homesInForce, type HomeRecord } from '#federation';
import type { ModeratedStanding } from '../../accounts/moderation.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { Config } from '../../config/config.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { Clock } from '../../observability/clock.js';
import { DatabaseEpoch } from '../../storage/database-epoch.js';
import { HeardHomes } from '../login/heard-homes.js';
import { HomeKeyStore } from '../records/home-key.store.js';
import { HomeRecords } from '../records/home-records.js';
import { OperationExchange } from '../ops/operation-exchange.js';
import { LogReport, type ReportedLog, type ReportedPeer } from '../ops/log-report.js';
import { ComparisonsStore } from './comparisons.store.js';
import { ArrivalsStore } from './arrivals.store.js';

/** Answer of `GET …/account/homes`. */
export interface AccountHomesBody {
  readonly homes: readonly HomeBody[];
  /** This server holds the account key, because no client has taken it over. */
  readonly custody: boolean;
  /** Two records of the account were signed apart, now or before. */
  readonly equivocation: boolean;
  /** Those signed apart that are not the highest record; they wait for a client to merge them. */
  readonly rivals?: readonly HomeRecord[];
  /**
   * When this server noticed that its database had been restored from a backup, for 90 days; milliseconds. What nobody else knew of is
   * lost: changed passwords and ended sessions of the time since the backup, where the account has no other home.
   */
  readonly restored_ts?: number;
  /** None of the other homes was heard for a minute: there may be a higher record than this server knows. */
  readonly unconfirmed?: true;
  /** The account's logs, those of former homes too. */
  readonly logs: Readonly<Record<string, ReportedLog>>;
}

interface HomeBody extends ReportedPeer {
  readonly server_name: string;
  readonly priority: number;
  /** The record names it and another one that was signed apart does not: it is not believed until they are merged. */
  readonly contested?: true;
  /** The operator there has locked or suspended the account there; it is served elsewhere all the same. */
  readonly moderation?: ModeratedStanding;
  /** Of this server: how far the account has moved in; `complete` once the list of rooms is. */
  readonly rooms?: {
    readonly ready: number; readonly total: number; readonly complete: boolean; readonly failures: readonly object[];
    /** Rooms, at most 20, of which other replicas have another state (`apart`), or have not said which. */
    readonly unequal: readonly { readonly room_id: string; readonly unconfirmed: readonly string[]; readonly apart: readonly string[] }[];
  };
  /** Of the others: operations of this server that they have not acknowledged. */
  readonly ops_behind?: number;
  /** Of the others; milliseconds, null for never. */
  readonly last_contact_ts?: number | null;
}

const RESTORED_SHOWN_MS = 90 * 24 * 3_600_000;

/** How an account's homes stand with each other, as this one sees it. */
@Injectable()
export class AccountHomes {
  constructor(
    private readonly config: Config,
    private readonly identities: HomeIdentities,
    private readonly records: HomeRecords,
    private readonly keys: HomeKeyStore,
    private readonly arrivals: ArrivalsStore,
    private readonly comparisons: ComparisonsStore,
    private readonly exchange: OperationExchange,
    private readonly report: LogReport,
    private readonly destinations: Destinations,
    private readonly heard: HeardHomes,
    private readonly epoch: DatabaseEpoch,
    private readonly clock: Clock,
  ) {}

  async of(userId: string): Promise<AccountHomesBody> {
    const record = await this.identities.record(userId);
    const peers = await this.report.peersOf(userId);
    const heard = await this.records.heard(userId);
    const inForce = new Set((heard ? homesInForce(heard) : record.homes).map((home) => home.server_name));
    const moderated = await this.report.moderationOf(record);
    const homes = await Promise.all(record.homes.map(async ({ server_name: name, priority }): Promise<HomeBody> => {
      const moderation = moderated.get(name);
      const contested = inForce.has(name) ? undefined : true as const;
      const about = { server_name: name, priority, ...(contested && { contested }), ...(moderation && { moderation }) };
      if (name === this.config.serverName) return { ...about, rooms: await this.#rooms(userId) };
      return {
        ...about,
        ops_behind: await this.exchange.behind(userId, name),
        last_contact_ts: this.destinations.lastContact(name) || null,
        ...peers.get(name),
      };
    }));
    return {
      homes,
      custody: (await this.keys.custody(userId)) !== undefined,
      equivocation: await this.records.isEquivocal(userId),
      ...(heard && heard.rivals.length > 0 && { rivals: heard.rivals }),
      ...this.#restored(),
      ...(this.heard.isUnconfirmed(userId) && { unconfirmed: true as const }),
      logs: await this.report.logsOf(record),
    };
  }

  #restored(): { restored_ts?: number } {
    const { restoredTs } = this.epoch;
    return restoredTs === null || this.clock.now() - restoredTs > RESTORED_SHOWN_MS ? {} : { restored_ts: restoredTs };
  }

  async #rooms(userId: string): Promise<NonNullable<HomeBody['rooms']>> {
    const { isListed, total, ready } = await this.arrivals.progress(userId);
    const unequal = (await this.comparisons.of(userId)).map((item) => ({ room_id: item.roomId, unconfirmed: item.unconfirmed, apart: item.apart }));
    return { unequal, ready, total, complete: isListed ?? true, failures: ready < total ? await this.arrivals.failures(userId) : [] };
  }
}
