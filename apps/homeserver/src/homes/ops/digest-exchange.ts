import { Injectable } from '@nestjs/common';
import { DIGEST_BUCKETS, operationHash, readOperation, type HomeRecord } from '#federation';
import { FederationClient } from '../../federation/federation-client.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { versionOf, type RecordVersion } from '../records/record-version.js';
import { AccountDigests } from './account-digests.js';
import { AccountLogsStore } from './account-logs.store.js';
import { AccountPeersStore } from './account-peers.store.js';
import { digestPath } from './account-paths.js';
import { AccountVectors } from './account-vectors.js';
import { HomeRequests } from './home-requests.js';
import { OperationMerge } from './operation-merge.js';
import { OperationPull } from './operation-pull.js';
import { OperationPages, wireHeads, wireOperation } from './operation-pages.js';
import { OperationsStore } from './operations.store.js';
import { PeerHeads, placesOf } from './peer-heads.js';
import { SharedAccounts } from './shared-accounts.js';

const TIMEOUT_MS = 30_000;
/** Operations of one answer; buckets that do not fit are asked for again. */
const MAX_OPERATIONS = 2_000;
const MAX_CHARACTERS = 4_000_000;
/** Of the limit of operations between homes. */
const ANSWER_COST = 200;
/** Of one bucket: what is more is named as unequal. */
const MAX_BUCKET_BYTES = 8 * 1024 * 1024;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** Rounds that bring something; two that do not and the home is named. */
const MAX_ROUNDS = 300;

/** Answer of `POST …/account/{userId}/digest`. */
export interface DigestAnswer {
  readonly version: RecordVersion;
  readonly heads: readonly object[];
  /** Buckets that differ. */
  readonly differing: readonly number[];
  /** Of the first of them, what items keep here. */
  readonly ops: readonly object[];
}

/** Compares everything that two homes hold, and brings over what one lacks: a copy does not prove what it leaves out (protocol §4). */
@Injectable()
export class DigestExchange {
  /** Homes, by account, whose last exchange failed. */
  readonly #silent = boundedCache<string, true>(20_000);

  constructor(
    private readonly digests: AccountDigests,
    private readonly store: OperationsStore,
    private readonly logs: AccountLogsStore,
    private readonly peers: AccountPeersStore,
    private readonly pages: OperationPages,
    private readonly merge: OperationMerge,
    private readonly heads: PeerHeads,
    private readonly puller: OperationPull,
    private readonly shared: SharedAccounts,
    private readonly vectors: AccountVectors,
    private readonly requests: HomeRequests,
    private readonly federation: FederationClient,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** @throws as `HomeRequests.authorise` */
  async answer(origin: string, userId: string, body: { version?: unknown; horizon?: unknown; buckets: readonly unknown[] }): Promise<DigestAnswer> {
    const record = await this.requests.authorise(origin, userId, ANSWER_COST, body.version);
    const own = await this.digests.of(userId, this.digests.agreed(body.horizon));
    const differing = own.buckets.flatMap((hash, i) => (hash === body.buckets[i] ? [] : [i]));
    const ops: object[] = [];
    let characters = 0;
    for (const bucket of differing) {
      if (ops.length >= MAX_OPERATIONS || characters > MAX_CHARACTERS) break;
      const kept = await this.store.keptOf(userId, MAX_BUCKET_BYTES, [bucket]);
      ops.push(...kept.map(wireOperation));
      for (const { op } of kept) characters += op.value.length + op.key.length + 600;
    }
    return { version: versionOf(record), heads: wireHeads(await this.pages.heads(record)), differing, ops };
  }

  /**
   * Compares with another home until nothing differs or nothing new comes.
   *
   * @returns whether what came with a copy is believed since then
   */
  async compare(record: HomeRecord, home: string): Promise<boolean> {
    const userId = record.user_id;
    let fruitless = 0;
    let differing: number[] = [];
    let acknowledged = 0;
    for (let round = 0; round < MAX_ROUNDS && fruitless < 2; round++) {
      const horizon = this.digests.horizon();
      const own = await this.digests.of(userId, horizon);
      const answer = await this.federation.request({
        destination: home, method: 'POST', path: digestPath(userId), timeoutMs: TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES, body: { version: versionOf(record), horizon, buckets: own.buckets },
      });
      differing = (Array.isArray(answer['differing']) ? answer['differing'] : []).filter((n): n is number => Number.isInteger(n) && n >= 0 && n < DIGEST_BUCKETS);
      if (differing.length === 0) break;
      const ops = (Array.isArray(answer['ops']) ? answer['ops'] : []).slice(0, 10 * MAX_OPERATIONS).flatMap((value) => readOperation(userId, value) ?? []);
      const heard = await this.heads.hear(record, home, answer);
      acknowledged = heard.acknowledged;
      // Heads are not moved by what is compared: operations that are missing are fetched.
      const fresh = await this.merge.takeKept(userId, ops, heard.keys);
      fruitless = fresh > 0 ? 0 : fruitless + 1;
      // What continues nothing here is on a branch that nobody has signed a head of.
      if (fresh === 0 && fruitless === 1) await this.puller.pull(record, home, await this.heads.stillLacking(record, placesOf(ops.map((op) => ({ ...op, hash: operationHash(op) })))));
    }
    return this.#note(userId, home, differing, acknowledged);
  }

  /** The hash of everything was the same. @returns as `compare` */
  equal(userId: string, home: string): Promise<boolean> {
    return this.#note(userId, home, [], 0);
  }

  /**
   * @param acknowledged how far it holds the own log: while it lacks something of that, what differs says nothing, and is compared
   *   again when it has it
   */
  async #note(userId: string, home: string, differing: readonly number[], acknowledged: number): Promise<boolean> {
    const kinds = await this.#kindsIn(userId, differing);
    // Asked last: what was written meanwhile may be what differs.
    const own = differing.length === 0 ? undefined : (await this.logs.of(userId)).find((line) => line.isOwn);
    const isBehind = own !== undefined && acknowledged < own.n;
    const unequal = isBehind ? ((await this.peers.get(userId, home))?.unequal ?? []) : kinds;
    if (!isBehind && unequal.length > 0) this.log.warn('a home holds something else of an account', { userId, home, kinds: unequal });
    await this.peers.compared(userId, home, this.clock.now(), unequal);
    this.#silent.delete(`${userId} ${home}`);
    return this.#settle(userId);
  }

  async #kindsIn(userId: string, differing: readonly number[]): Promise<string[]> {
    if (differing.length === 0) return [];
    const kinds = await this.store.kindsIn(userId, differing);
    return kinds.length === 0 ? ['unknown'] : kinds;
  }

  /** A home does not answer, or refuses: what came with a copy waits for the others only. @returns as `compare` */
  silent(userId: string, home: string): Promise<boolean> {
    this.#silent.set(`${userId} ${home}`, true);
    return this.#settle(userId);
  }

  /** What came with copies is believed when every home that answers was compared. */
  async #settle(userId: string): Promise<boolean> {
    const compared = (await this.peers.of(userId)).filter((peer) => peer.comparedTs > 0).map((peer) => peer.home);
    const isCompared = compared.length > 0 && this.shared.others(userId).every((home) => compared.includes(home) || this.#silent.has(`${userId} ${home}`));
    if (!isCompared || !(await this.logs.settle(userId))) return false;
    this.vectors.changed(userId);
    return true;
  }
}
