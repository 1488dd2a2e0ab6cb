import { Injectable, type OnModuleInit } from '@nestjs/common';
import { recordHash, serverNameOf, type HeardRecords, type HomeEntry, type HomeRecord } from '#federation';
import { Config } from '../../config/config.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { Clock } from '../../observability/clock.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { HomeConsents } from './home-consents.js';
import { RecordCheckStore, type RecordCheck } from './record-check.store.js';
import { HomeRecords, type RecordBringer } from './home-records.js';
import { RecordExchange } from './record-exchange.js';
import { discountedBy, isVouched } from './vouching.js';

/** Somebody waits for it. */
const TIMEOUT_MS = 3_000;
/** A record that was checked is good for so long … */
const CHECKED_FOR_MS = 3_600_000;
/** … and one to which nobody answered is asked after again, at a use, after this. */
const UNCONFIRMED_FOR_MS = 60_000;
/** Servers in rooms in common that are asked beside the homes and the domain. */
const MAX_REPLICAS = 3;
const MAX_ROOMS = 3;
const MAX_CACHED = 50_000;

/**
 * Asks after records before they are used (protocol §2, "Telling and asking"): one that is new here, whoever brought it, and one
 * that was last checked an hour ago. All others are asked at the same time: the homes that it names, the domain of the name,
 * some replicas of rooms in common. One asking per account runs at a time and serves all who wait.
 */
@Injectable()
export class RecordRefresh implements OnModuleInit {
  readonly #checks = boundedCache<string, RecordCheck>(MAX_CACHED);
  readonly #running = new Map<string, Promise<void>>();

  constructor(
    private readonly config: Config,
    private readonly exchange: RecordExchange,
    private readonly records: HomeRecords,
    private readonly memberships: Memberships,
    private readonly destinations: Destinations,
    private readonly consents: HomeConsents,
    private readonly store: RecordCheckStore,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.records.onStoring(async (heard, previous, from, { now }) => (tx) => this.store.put([this.#fresh(heard, previous, from, now)], tx));
    this.records.onChanged(async ({ user_id: userId }) => void this.#checks.delete(userId));
  }

  #fresh({ record, rivals }: HeardRecords, previous: HomeRecord | undefined, from: RecordBringer, homes: readonly HomeEntry[]): RecordCheck {
    const discounted = discountedBy(homes, [record, ...rivals, previous], from);
    return { userId: record.user_id, sha256: recordHash(record), checkedTs: 0, isConfirmed: false, discounted };
  }

  /** Asks after the records that are to be used and are new or old; resolves after three seconds at most. */
  async beforeUse(userIds: readonly string[]): Promise<void> {
    const waiting: Promise<void>[] = [];
    const due: HomeRecord[] = [];
    for (const userId of userIds) {
      const running = this.#running.get(userId);
      if (running) {
        waiting.push(running);
        continue;
      }
      const [record] = await this.exchange.known(userId);
      if (record && !this.#running.has(userId) && (await this.#isDue(record))) due.push(record);
    }
    if (due.length > 0) waiting.push(this.#start(due));
    await Promise.all(waiting);
  }

  /** Asks after one record now; resolves when all have answered or are known not to. */
  async refresh(userId: string): Promise<void> {
    const [record] = await this.exchange.known(userId);
    if (record) await (this.#running.get(userId) ?? this.#start([record]));
  }

  /** Asks the others of a record that is not taken yet, so that a higher one is known before it is. */
  async checkBefore(record: HomeRecord): Promise<void> {
    const known = await this.exchange.known(record.user_id);
    const others = new Set([...(await this.#others(record)), ...known.flatMap((one) => one.homes.map((home) => home.server_name))]);
    others.delete(this.config.serverName);
    const asking = { timeoutMs: TIMEOUT_MS, ignoreBackoff: true };
    await Promise.all([...others].map(async (server) => {
      if (await this.#mayBeAsked(record, server)) await this.exchange.ask(server, [record.user_id], asking, [record]);
    }));
  }

  /** Whether nobody but perhaps its bringer answered when the account's record was asked after: no new keys are to be taken through it. */
  async isUnconfirmed(userId: string): Promise<boolean> {
    const [record] = await this.exchange.known(userId);
    const check = record && (await this.#check(userId));
    return check !== undefined && check.sha256 === recordHash(record!) && !check.isConfirmed;
  }

  async #isDue(record: HomeRecord): Promise<boolean> {
    const check = await this.#check(record.user_id);
    if (!check || check.sha256 !== recordHash(record)) return true;
    const age = this.clock.now() - check.checkedTs;
    return age < 0 || age >= (check.isConfirmed ? CHECKED_FOR_MS : UNCONFIRMED_FOR_MS);
  }

  async #check(userId: string): Promise<RecordCheck | undefined> {
    const cached = this.#checks.get(userId);
    if (cached) return cached;
    const stored = await this.store.get(userId);
    if (stored) this.#checks.set(userId, stored);
    return stored;
  }

  #start(records: readonly HomeRecord[]): Promise<void> {
    const running = this.#askAll(records).finally(() => {
      for (const { user_id: userId } of records) if (this.#running.get(userId) === running) this.#running.delete(userId);
    });
    for (const { user_id: userId } of records) this.#running.set(userId, running);
    return running;
  }

  async #askAll(records: readonly HomeRecord[]): Promise<void> {
    const asked = new Map(await Promise.all(records.map(async (record) => [record, await this.#others(record)] as const)));
    const all = [...asked].flatMap(([record, servers]) => servers.map((server) => ({ server, record })));
    const may = await Promise.all(all.map(({ record, server }) => this.#mayBeAsked(record, server)));
    const byServer = Map.groupBy(all.filter((_pair, i) => may[i]), (pair) => pair.server);
    const voices = new Map<string, Set<string>>(records.map((record) => [record.user_id, new Set()]));
    await Promise.all([...byServer].map(async ([server, pairs]) => {
      const asking = { timeoutMs: TIMEOUT_MS, ignoreBackoff: false };
      const { shown } = await this.exchange.ask(server, pairs.map(({ record }) => record.user_id), asking);
      for (const userId of shown) voices.get(userId)?.add(server);
    }));
    await this.#note(asked, voices);
  }

  async #note(asked: ReadonlyMap<HomeRecord, readonly string[]>, voices: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    const now = this.clock.now();
    const checks: RecordCheck[] = [];
    for (const [record, servers] of asked) {
      const [current] = await this.exchange.known(record.user_id);
      const sha256 = recordHash(current ?? record);
      const before = await this.#check(record.user_id);
      const discounted = before?.sha256 === sha256 ? before.discounted : [];
      const isConfirmed = isVouched(current ?? record, servers, voices.get(record.user_id) ?? new Set(), discounted) || (before?.sha256 === sha256 && before.isConfirmed);
      checks.push({ userId: record.user_id, sha256, checkedTs: now, isConfirmed, discounted });
    }
    for (const check of checks) this.#checks.set(check.userId, check);
    await this.store.put(checks);
  }

  /** Servers that may know of a higher record than this one. */
  async #others(record: HomeRecord): Promise<string[]> {
    const names = new Set([...record.homes.map((home) => home.server_name), serverNameOf(record.user_id)]);
    const replicas = (await this.#replicas(record.user_id)).filter((server) => !names.has(server));
    for (const server of replicas.slice(0, MAX_REPLICAS)) names.add(server);
    names.delete(this.config.serverName);
    for (const { server_name: name } of record.homes) if ((await this.consents.of(record, name)) === 'refused') names.delete(name);
    return [...names];
  }

  /** Anybody can write another's server into a record; it is asked when it has agreed. */
  async #mayBeAsked(record: HomeRecord, server: string): Promise<boolean> {
    const isNamed = record.homes.some((home) => home.server_name === server);
    return !isNamed || server === serverNameOf(record.user_id) || (await this.consents.of(record, server)) === 'given';
  }

  async #replicas(userId: string): Promise<string[]> {
    const rooms = (await this.memberships.joinedRooms(userId)).slice(0, MAX_ROOMS);
    const servers = (await Promise.all(rooms.map((roomId) => this.memberships.otherServers(roomId)))).flat();
    // A record can bring any server's name into a room; those that were heard are there.
    return servers.filter((server) => this.destinations.lastContact(server) > 0);
  }
}
