import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { readOperation, type AccountOperation, type HomeRecord, type LogPlaces } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { FederationClient } from '../../federation/federation-client.js';
import { atMost } from '../../observability/at-most.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { HomeConsents } from '../records/home-consents.js';
import { HomeRecords } from '../records/home-records.js';
import { versionOf, type RecordVersion } from '../records/record-version.js';
import { AccountCopies } from './account-copies.js';
import { AccountDigests } from './account-digests.js';
import { AccountLogsStore } from './account-logs.store.js';
import { AccountPeersStore } from './account-peers.store.js';
import { operationsPath } from './account-paths.js';
import { DigestExchange } from './digest-exchange.js';
import { HomeRequests } from './home-requests.js';
import { OperationLog } from './operation-log.js';
import type { Refusal } from './brought-operations.js';
import { OperationMerge } from './operation-merge.js';
import { OperationPages, PAGE_OPERATIONS, wireHeads, wireOperation, type OperationPage } from './operation-pages.js';
import { OperationPull } from './operation-pull.js';
import { OperationsStore } from './operations.store.js';
import { PeerHeads } from './peer-heads.js';
import { PeerLanes } from './peer-lanes.js';
import { RefusedOperationsStore } from './refused-operations.store.js';
import { SharedAccounts } from './shared-accounts.js';
import { WaitingOperations } from './waiting-operations.js';

const CONCURRENCY = 32;
const INCOMING = 16;
const TIMEOUT_MS = 20_000;
/** Requests of one exchange; 200,000 operations. */
const MAX_ROUNDS = 1_000;
const PURGE_EVERY_MS = 6 * 3_600_000;
/** How long homes have to tell each other by themselves. */
const TELL_OTHERS_MS = 2_000;
const STOP_MS = 3_000;
/** Operations of an answer that are held, and that the account's data did not take. */
const MAX_NOT_APPLIED = 20;
/** Protocol §4. */
const KEPT_MS = 90 * 24 * 3_600_000;

/** Body of `POST …/account/{userId}/ops`, beside the operations. */
interface OperationsBody {
  /** Of the record by which the sender goes. */
  readonly version?: unknown;
  readonly heads?: unknown;
  readonly now?: unknown;
  readonly ops: readonly unknown[];
  /** Hash of all that the sender's items keep, and before which time removals are left out. */
  readonly digest?: unknown;
  readonly horizon?: unknown;
}

/** Answer to it. */
export interface OperationsAnswer {
  readonly version: RecordVersion;
  readonly heads: readonly object[];
  readonly refused: readonly Refusal[];
  readonly digest: string;
  readonly now: number;
}

/**
 * Exchanges operations with the other homes of accounts: own ones are pushed as they happen, in order; what a home shows by its
 * signed heads and is missing here is pulled; at the end both compare the hash of everything.
 */
@Injectable()
export class OperationExchange implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #slots = new FairSlots(fairLimits(CONCURRENCY, { waiting: 100_000 }));
  /** What homes bring: signatures, a few queries and a transaction each time. */
  readonly #incoming = new FairSlots(fairLimits(INCOMING), Infinity);
  readonly #lanes: PeerLanes;
  readonly #pulls = new Map<string, Promise<void>>();
  readonly #telling = new Map<string, NodeJS.Timeout>();
  #stopped = false;
  #purging: NodeJS.Timeout | undefined;

  constructor(
    private readonly shared: SharedAccounts,
    private readonly records: HomeRecords,
    private readonly consents: HomeConsents,
    private readonly requests: HomeRequests,
    private readonly operationLog: OperationLog,
    private readonly merge: OperationMerge,
    private readonly pages: OperationPages,
    private readonly puller: OperationPull,
    private readonly copies: AccountCopies,
    private readonly heads: PeerHeads,
    private readonly waiting: WaitingOperations,
    private readonly digests: AccountDigests,
    private readonly digestExchange: DigestExchange,
    private readonly logs: AccountLogsStore,
    private readonly peers: AccountPeersStore,
    private readonly store: OperationsStore,
    private readonly refused: RefusedOperationsStore,
    private readonly federation: FederationClient,
    private readonly destinations: Destinations,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.#lanes = new PeerLanes(
      (userId, home) => this.#slots.run({ account: userId, destination: home }, () => this.#exchange(userId, home)),
      (userId, home, error) => {
        if (!(error instanceof MatrixError) && !this.#stopped) this.log.error('operations could not be exchanged', error, { userId, home });
        this.log.debug('operations wait', { userId, home, reason: String(error) });
        if (!this.#stopped) void this.#believeWithout(userId, home);
      },
      (home) => Math.max(0, this.destinations.retryAt(home) - this.clock.steady()),
    );
  }

  onApplicationBootstrap(): void {
    this.operationLog.onRecorded((userId) => this.#wakeAccount(userId));
    this.shared.onChanged((userId) => void this.#changed(userId));
    this.copies.onTaken((userId) => this.#wakeAccount(userId));
    this.destinations.onAlive((server) => this.#lanes.retry(server));
    this.#slots.learnFrom(this.destinations);
    for (const userId of this.shared.all()) void this.#changed(userId);
    this.#purging = setInterval(() => void this.#purge(), PURGE_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#purging);
    this.#lanes.stop();
    for (const timer of this.#telling.values()) clearTimeout(timer);
    await atMost(Promise.allSettled([...this.#lanes.running(), ...this.#pulls.values()]), STOP_MS, []);
  }

  /** Own operations that a home has not acknowledged. */
  async behind(userId: string, home: string): Promise<number> {
    const own = (await this.logs.of(userId)).find((line) => line.isOwn);
    const places = (await this.peers.get(userId, home))?.places[own?.log ?? ''] ?? [];
    const known = Math.max(0, ...places.map(([n]) => n));
    return own ? Math.max(0, own.n - known) : 0;
  }

  /** `POST …/account/{userId}/ops` of another home. @returns what is held after it */
  async receive(origin: string, userId: string, body: OperationsBody): Promise<OperationsAnswer> {
    const given = body.ops.map((value) => readOperation(userId, value));
    const ops = given.filter((op) => op !== undefined);
    const record = await this.requests.authorise(origin, userId, costOf(ops, body.heads), body.version);
    return this.#incoming.run({ account: userId, destination: origin }, () => this.#take(record, origin, body, given, ops));
  }

  async #take(
    record: HomeRecord, origin: string, body: OperationsBody, given: readonly (AccountOperation | undefined)[], ops: readonly AccountOperation[],
  ): Promise<OperationsAnswer> {
    const userId = record.user_id;
    const malformed = body.ops.filter((_value, i) => given[i] === undefined).map(refusal);
    const heard = await this.heads.hear(record, origin, { ...body, refused: undefined });
    const { fresh, refused, missing, waiting } = await this.merge.take(userId, ops, heard.keys);
    this.waiting.note(userId, origin, waiting, 'message');
    if (fresh > 0) this.#tellOthersLater(userId, origin);
    const claimed = await this.heads.stillLacking(record, heard.lacking, heard.heads);
    const { root } = await this.digests.of(userId, this.digests.agreed(body.horizon));
    // What was asked for since it was heard may have shown that its claims are not to be believed.
    const lacking = { ...missing, ...(this.heads.isTrusted(userId, origin) && claimed) };
    if (Object.keys(lacking).length > 0) this.#pullLater(userId, origin, lacking);
    else if (heard.isBehind) this.#lanes.wake(userId, origin);
    else if (typeof body.digest === 'string' && body.digest !== root) this.#compareLater(userId, origin);
    return { version: versionOf(record), heads: wireHeads(await this.pages.heads(record)), refused: [...malformed, ...refused, ...(await this.refused.latest(userId, MAX_NOT_APPLIED))], digest: root, now: this.clock.now() };
  }

  /** `POST …/account/{userId}/ops/missing` of another home. */
  async page(origin: string, userId: string, since: LogPlaces, version?: unknown): Promise<OperationPage> {
    return this.pages.since(await this.requests.authorise(origin, userId, PAGE_OPERATIONS, version), since);
  }

  /** Resolves when nothing is being sent or fetched; what failed waits for its next attempt. */
  async idle(): Promise<void> {
    for (;;) {
      const running = [...this.#lanes.running(), ...this.#pulls.values()];
      if (running.length === 0) return;
      await Promise.allSettled(running);
    }
  }

  async #changed(userId: string): Promise<void> {
    try {
      await this.peers.meet(userId, this.shared.others(userId));
      await this.merge.restand(userId);
      this.#wakeAccount(userId);
    } catch (error) {
      if (!this.#stopped) this.log.error('a record could not be put to work on the logs', error, { userId });
    }
  }

  #wakeAccount(userId: string): void {
    if (this.#stopped) return;
    for (const home of this.shared.others(userId)) this.#lanes.wake(userId, home);
  }

  async #exchange(userId: string, home: string): Promise<void> {
    if (this.#stopped || !this.shared.others(userId).includes(home)) return;
    const record = await this.records.get(userId);
    if (!record || (await this.consents.of(record, home)) !== 'given') throw MatrixError.forbidden(`${home} has not agreed to be a home`);
    let acknowledged = -1;
    for (let round = 0; round < MAX_ROUNDS && !this.#stopped; round++) {
      const own = (await this.logs.of(userId)).find((line) => line.isOwn);
      const from = acknowledged >= 0 ? acknowledged : await this.#acknowledged(userId, home, own?.log);
      // Operations that are gone: the other sees by the heads that it needs a copy.
      const ops = own ? ((await this.pages.after(own, from)) ?? []) : [];
      const horizon = this.digests.horizon();
      const { root } = await this.digests.of(userId, horizon);
      const isLast = !own || (ops.at(-1)?.n ?? from) >= own.n;
      const answer = await this.federation.request({
        destination: home, method: 'POST', path: operationsPath(userId), timeoutMs: TIMEOUT_MS,
        body: { version: versionOf(record), heads: wireHeads(await this.pages.heads(record)), ops: ops.map(wireOperation), now: this.clock.now(), horizon, ...(isLast && { digest: root }) },
      });
      const heard = await this.heads.hear(record, home, answer);
      if (Object.keys(heard.lacking).length > 0) {
        await this.puller.pull(record, home, heard.lacking, heard.heads);
        continue;
      }
      if (!heard.isBehind) {
        const isEqual = answer['digest'] === root;
        const isSettled = isEqual ? await this.digestExchange.equal(userId, home) : await this.digestExchange.compare(record, home);
        // The others are told what is believed now.
        if (isSettled) this.#wakeAccount(userId);
        return;
      }
      if (heard.acknowledged <= acknowledged && acknowledged >= 0) throw MatrixError.unknown(502, `${home} took no operations`);
      acknowledged = heard.acknowledged;
    }
  }

  /** A home does not answer: what came with a copy waits for the others only. */
  async #believeWithout(userId: string, home: string): Promise<void> {
    try {
      if (await this.digestExchange.silent(userId, home)) this.#wakeAccount(userId);
    } catch (error) {
      if (!this.#stopped) this.log.error('what came with a copy could not be believed', error, { userId });
    }
  }

  async #acknowledged(userId: string, home: string, log: string | undefined): Promise<number> {
    const places = (await this.peers.get(userId, home))?.places[log ?? ''] ?? [];
    return Math.max(0, ...places.map(([n]) => n));
  }

  /** Its home tells the others itself, if it is honest and can: they are only asked after a while whether they have the same. */
  #tellOthersLater(userId: string, origin: string): void {
    if (this.#telling.has(userId) || this.shared.others(userId).every((home) => home === origin)) return;
    this.#telling.set(userId, setTimeout(() => {
      this.#telling.delete(userId);
      this.#wakeAccount(userId);
    }, TELL_OTHERS_MS).unref());
  }

  #pullLater(userId: string, from: string, claimed: LogPlaces): void {
    this.#once(userId, from, async () => {
      const record = await this.records.get(userId);
      if (!record) return;
      await this.puller.pull(record, from, claimed);
      this.#lanes.wake(userId, from);
    });
  }

  #compareLater(userId: string, home: string): void {
    this.#once(userId, home, async () => {
      const record = await this.records.get(userId);
      if (record && (await this.digestExchange.compare(record, home))) this.#wakeAccount(userId);
    });
  }

  #once(userId: string, home: string, work: () => Promise<void>): void {
    const key = `${userId} ${home}`;
    if (this.#pulls.has(key) || this.#stopped) return;
    const running = this.#slots.run({ account: userId, destination: home }, work)
      .catch((error: unknown) => this.log.debug('operations could not be pulled', { userId, home, reason: String(error) }))
      .finally(() => this.#pulls.delete(key));
    this.#pulls.set(key, running);
  }

  async #purge(): Promise<void> {
    await this.store.purge(this.clock.now() - KEPT_MS).catch((error: unknown) => this.log.error('old operations could not be dropped', error));
  }
}

/** What operations take, in small ones without many causes; a head takes a signature. */
function costOf(ops: readonly AccountOperation[], heads: unknown): number {
  const places = (op: AccountOperation): number => Object.values(op.after).reduce((sum, list) => sum + list.length, 0);
  const signatures = Array.isArray(heads) ? Math.ceil(heads.length / 4) : 0;
  return 1 + signatures + ops.reduce((sum, op) => sum + 1 + Math.floor(op.value.length / 4_096) + Math.floor(places(op) / 40), 0);
}

/** Names what somebody sent that is no operation. */
function refusal(value: unknown): Refusal {
  const { log, n } = (value ?? {}) as { log?: unknown; n?: unknown };
  return [typeof log === 'string' ? log.slice(0, 64) : '', Number.isSafeInteger(n) ? (n as number) : 0, 'malformed'];
}
