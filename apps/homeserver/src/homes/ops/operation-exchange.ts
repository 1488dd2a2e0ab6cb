import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { HomeRecord } from '#federation';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { FederationClient } from '../../federation/federation-client.js';
import { Slots } from '../../federation/outgoing/slots.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { HomeConsents } from '../records/home-consents.js';
import { HomeRecords } from '../records/home-records.js';
import { AccountCopies } from './account-copies.js';
import { operationsPath } from './account-paths.js';
import { HomeRequests } from './home-requests.js';
import { OperationLog } from './operation-log.js';
import { OperationMerge } from './operation-merge.js';
import { OperationPages, type OperationPage } from './operation-pages.js';
import { OperationsStore } from './operations.store.js';
import { readOperation, readVector, wireOperation, type Operation, type Vector } from './operation.js';
import { SharedAccounts } from './shared-accounts.js';

const CONCURRENCY = 16;
const TIMEOUT_MS = 20_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5 * 60_000;
/** Requests of one catching-up; 200,000 operations. */
const MAX_ROUNDS = 1_000;
const PURGE_EVERY_MS = 6 * 3_600_000;
/** Protocol §4. */
const KEPT_MS = 90 * 24 * 3_600_000;

interface Lane {
  /** There is something new since the lane's last look. */
  isDirty: boolean;
  failures: number;
  running: Promise<void> | null;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Exchanges operations with the other homes of accounts: own ones are pushed as they happen, in order, to each home; what is
 * missing is pulled from whoever has it. How far each home is, is in the database, so that it goes on after a restart.
 */
@Injectable()
export class OperationExchange implements OnApplicationBootstrap, OnModuleDestroy {
  /** One per account and other home. */
  readonly #lanes = new Map<string, Lane>();
  readonly #pulls = new Map<string, Promise<void>>();
  readonly #slots = new Slots(CONCURRENCY, 100_000);
  #stopped = false;
  #purging: NodeJS.Timeout | undefined;

  constructor(
    private readonly config: Config,
    private readonly shared: SharedAccounts,
    private readonly records: HomeRecords,
    private readonly consents: HomeConsents,
    private readonly requests: HomeRequests,
    private readonly operationLog: OperationLog,
    private readonly merge: OperationMerge,
    private readonly copies: AccountCopies,
    private readonly pages: OperationPages,
    private readonly store: OperationsStore,
    private readonly federation: FederationClient,
    private readonly destinations: Destinations,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.operationLog.onRecorded((userId) => this.#wakeAccount(userId));
    this.shared.onChanged((userId) => this.#wakeAccount(userId));
    this.destinations.onAlive((server) => {
      for (const [key, lane] of this.#lanes) if (lane.timer && key.endsWith(` ${server}`)) this.#wake(key);
    });
    for (const userId of this.shared.all()) this.#wakeAccount(userId);
    this.#purging = setInterval(() => void this.#purge(), PURGE_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#purging);
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer);
    await Promise.allSettled([...this.#lanes.values()].flatMap((lane) => lane.running ?? []));
    await Promise.allSettled(this.#pulls.values());
  }

  /** Own operations that a home has not acknowledged, newest count. */
  async behind(userId: string, home: string): Promise<number> {
    const own = (await this.store.vector(userId))[this.config.serverName] ?? 0;
    return Math.max(0, own - (await this.store.acknowledged(userId, home)));
  }

  /**
   * `POST …/account/{userId}/ops` of another home.
   *
   * @returns the vector after it, by which the other sees how far this server is
   */
  async receive(origin: string, userId: string, body: { record?: unknown; vector?: unknown; ops: readonly unknown[] }): Promise<Vector> {
    await this.requests.authorise(origin, userId, body.record);
    const ops = body.ops.map((value) => readOperation(userId, value));
    if (ops.some((op) => op?.home !== origin)) throw MatrixError.badJson('A home hands over well-formed operations of its own only');
    const isWhole = await this.merge.take(userId, ops as Operation[]);
    if (!isWhole || (await this.#lacks(userId, readVector(body.vector)))) this.#pullLater(userId, origin);
    return this.store.vector(userId);
  }

  /** `GET …/account/{userId}/ops?since=` of another home. */
  async page(origin: string, userId: string, since: Vector): Promise<OperationPage> {
    return this.pages.since(await this.requests.authorise(origin, userId), since);
  }

  /** Resolves when nothing is being sent or fetched; what failed waits for its next attempt. */
  async idle(): Promise<void> {
    for (;;) {
      const running = [...[...this.#lanes.values()].flatMap((lane) => lane.running ?? []), ...this.#pulls.values()];
      if (running.length === 0) return;
      await Promise.allSettled(running);
    }
  }

  #wakeAccount(userId: string): void {
    for (const home of this.shared.others(userId)) this.#wake(`${userId} ${home}`);
  }

  #wake(key: string): void {
    if (this.#stopped) return;
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { isDirty: false, failures: 0, running: null, timer: undefined };
      this.#lanes.set(key, lane);
    }
    lane.isDirty = true;
    clearTimeout(lane.timer);
    lane.timer = undefined;
    lane.running ??= this.#slots.run(() => this.#run(key, lane));
  }

  async #run(key: string, lane: Lane): Promise<void> {
    const [userId, home] = key.split(' ') as [string, string];
    try {
      while (lane.isDirty && !this.#stopped) {
        lane.isDirty = false;
        await this.#push(userId, home);
        lane.failures = 0;
      }
      lane.running = null;
      if (!lane.isDirty) this.#lanes.delete(key);
    } catch (error) {
      lane.running = null;
      lane.failures++;
      if (!(error instanceof MatrixError) && !this.#stopped) this.log.error('operations could not be pushed', error, { userId, home });
      this.log.debug('operations wait', { userId, home, reason: String(error) });
      const delay = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(lane.failures, 20));
      if (!this.#stopped) lane.timer = setTimeout(() => this.#wake(key), delay).unref();
    }
  }

  async #push(userId: string, home: string): Promise<void> {
    if (!this.shared.others(userId).includes(home)) return;
    const record = await this.records.get(userId);
    if (!record || (await this.consents.of(record, home)) !== 'given') throw MatrixError.forbidden(`${home} has not agreed to be a home`);
    const own = this.config.serverName;
    let acknowledged = await this.store.acknowledged(userId, home);
    for (let round = 0; round < MAX_ROUNDS && !this.#stopped; round++) {
      const ops = await this.pages.after(userId, own, acknowledged);
      if (ops?.length === 0) return;
      // Too old operations are gone: an empty request has the other see by the vector that it needs a copy.
      const vector = await this.#hand(record, home, ops ?? []);
      const theirs = vector[own] ?? 0;
      if (await this.#lacks(userId, vector)) this.#pullLater(userId, home);
      if (theirs <= acknowledged) throw MatrixError.unknown(502, `${home} took no operations`);
      acknowledged = theirs;
      await this.store.acknowledge(userId, home, acknowledged);
    }
  }

  async #hand(record: HomeRecord, home: string, ops: readonly Operation[]): Promise<Vector> {
    const answer = await this.federation.request({
      destination: home, method: 'POST', path: operationsPath(record.user_id), timeoutMs: TIMEOUT_MS,
      body: { record, vector: await this.store.vector(record.user_id), ops: ops.map(wireOperation) },
    });
    return readVector(answer['vector']);
  }

  /** Whether the vector covers operations of the account's homes that are not here. */
  async #lacks(userId: string, theirs: Vector): Promise<boolean> {
    const record = await this.records.get(userId);
    const mine = await this.store.vector(userId);
    return record?.homes.some(({ server_name: home }) => home !== this.config.serverName && (theirs[home] ?? 0) > (mine[home] ?? 0)) ?? false;
  }

  #pullLater(userId: string, from: string): void {
    const key = `${userId} ${from}`;
    if (this.#pulls.has(key) || this.#stopped) return;
    const pull = this.#slots.run(() => this.#pull(userId, from))
      .catch((error: unknown) => this.log.debug('operations could not be pulled', { userId, from, reason: String(error) }))
      .finally(() => this.#pulls.delete(key));
    this.#pulls.set(key, pull);
  }

  async #pull(userId: string, from: string): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS && !this.#stopped; round++) {
      const since = JSON.stringify(await this.store.vector(userId));
      const page = await this.federation.request({ destination: from, method: 'GET', path: operationsPath(userId), query: { since }, timeoutMs: TIMEOUT_MS });
      if (page['snapshot_needed'] === true) {
        await this.copies.take(userId, from);
        return;
      }
      const ops = (Array.isArray(page['ops']) ? page['ops'] : []).flatMap((value) => readOperation(userId, value) ?? []);
      await this.merge.take(userId, ops);
      if (page['more'] !== true || ops.length === 0) return;
    }
  }

  async #purge(): Promise<void> {
    const before = this.clock.now() - KEPT_MS;
    await this.store.purge(before, String(before).padStart(15, '0')).catch((error: unknown) => this.log.error('old operations could not be dropped', error));
  }
}
