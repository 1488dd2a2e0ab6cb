import { Injectable } from '@nestjs/common';
import {
  itemName, operationHash, standingOf, surplusLogs, type AccountLog, type AccountOperation, type HeldOperation, type HomeRecord, type LogPlace, type LogPlaces,
} from '#federation';
import { Clock } from '../../observability/clock.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Database } from '../../storage/database.js';
import { DatabaseEpoch } from '../../storage/database-epoch.js';
import { HomeKeys } from '../records/home-keys.js';
import { HomeRecords } from '../records/home-records.js';
import { AccountDigests } from './account-digests.js';
import { AccountLogsStore, type StoredLine } from './account-logs.store.js';
import { AccountPeersStore } from './account-peers.store.js';
import { AccountVectors } from './account-vectors.js';
import { BroughtOperations, fittingPlaces, keyFor, type LogKeys, type Refusal } from './brought-operations.js';
import { LogLoader, namesOf, type LoadedLog } from './log-loader.js';
import { LogSizes } from './log-sizes.js';
import { LogStandings } from './log-standings.js';
import { OperationApplier } from './operation-applier.js';
import { RewrittenWrites } from './rewritten-writes.js';
import { OperationsStore } from './operations.store.js';

export interface TakenOperations {
  /** Operations that were not here before. */
  readonly fresh: number;
  readonly refused: readonly Refusal[];
  /** What operations that could not be taken yet knew of and is not here. */
  readonly missing: LogPlaces;
  /** Those operations. */
  readonly waiting: readonly (readonly [log: string, n: number])[];
}

const NO_HEAD: StoredLine['head'] = { n: 0, hash: '', signature: '' };
const MAX_TRIES = 3;

/** Brings operations of all homes into the account's data here (protocol §4). */
@Injectable()
export class OperationMerge {
  readonly #inTurn = new KeyedQueue();

  constructor(
    private readonly records: HomeRecords,
    private readonly logs: AccountLogsStore,
    private readonly store: OperationsStore,
    private readonly loader: LogLoader,
    private readonly applier: OperationApplier,
    private readonly standings: LogStandings,
    private readonly vectors: AccountVectors,
    private readonly digests: AccountDigests,
    private readonly sizes: LogSizes,
    private readonly brought: BroughtOperations,
    private readonly db: Database,
    private readonly epoch: DatabaseEpoch,
    private readonly homeKeys: HomeKeys,
    private readonly rewritten: RewrittenWrites,
    private readonly peers: AccountPeersStore,
    private readonly clock: Clock,
  ) {}

  /** Takes operations of an account in order, whoever brings them: they prove themselves. What was taken is applied, then stored. */
  take(userId: string, list: readonly AccountOperation[], keys: LogKeys = new Map()): Promise<TakenOperations> {
    return this.#inTurn.run(userId, () => this.#take(userId, list, keys));
  }

  /**
   * Takes operations that items keep at another home, which need not continue what is here.
   *
   * @returns how many were not here before
   */
  takeKept(userId: string, list: readonly AccountOperation[], keys: LogKeys): Promise<number> {
    return this.#inTurn.run(userId, () => this.#takeKept(userId, list, null, keys));
  }

  /**
   * The same of a whole copy, which is believed: what is before its heads is not asked for any more. To a server that knew nothing
   * of the account's logs it is all that there is: what an account left here that was away is older than what its homes have
   * dropped since.
   *
   * @param heads signed ends that came with the copy
   */
  takeCopy(userId: string, list: readonly AccountOperation[], heads: ReadonlyMap<string, LogPlace>, keys: LogKeys): Promise<void> {
    return this.#inTurn.run(userId, async () => {
      const isFresh = (await this.logs.kinds(userId)).length === 0;
      await this.#takeKept(userId, list, heads, keys);
      const record = isFresh ? await this.records.get(userId) : undefined;
      if (record) await this.applier.clearOthers(record);
    });
  }

  /** Puts a record to work: cuts, and what homes say that they hold of former ones. */
  restand(userId: string): Promise<void> {
    return this.#inTurn.run(userId, async () => {
      const record = await this.records.get(userId);
      if (record) await this.standings.restand(record);
    });
  }

  async #take(userId: string, given: readonly AccountOperation[], keys: LogKeys): Promise<TakenOperations> {
    const record = await this.records.get(userId);
    const { fitting: list, refused } = await this.brought.fitting(userId, given);
    const missing: Record<string, [number, string][]> = {};
    if (!record || list.length === 0) return { fresh: 0, refused, missing, waiting: [] };
    for (let tries = 1; ; tries++) {
      const loaded = await this.loader.forOperations(record, list);
      const { good, why } = await this.brought.verified(record, list, keys, loaded.lines);
      if (tries === 1) refused.push(...why);
      const taken: HeldOperation[] = [];
      const waiting: (readonly [string, number])[] = [];
      for (const op of good) {
        const hash = operationHash(op);
        const verdict = loaded.log.judge(op, hash);
        if (verdict.as === 'next' || verdict.as === 'fork') taken.push(loaded.log.take(op, hash));
        else if (verdict.as === 'refused' && tries === 1) refused.push([op.log, op.n, verdict.why]);
        else if (verdict.as === 'waits') {
          waiting.push([op.log, op.n]);
          for (const [log, places] of Object.entries(verdict.missing)) missing[log] = [...(missing[log] ?? []), ...places];
        }
      }
      if (taken.length === 0) return { fresh: 0, refused, missing: wanting(missing, taken), waiting };
      if (await this.#store(record, loaded, taken, keys)) return { fresh: taken.length, refused, missing: wanting(missing, taken), waiting };
      if (tries === MAX_TRIES) throw new Error('the own log was written all the time');
    }
  }

  /** @returns false when this home went on with a log of which somebody else brings operations: they have to be judged again */
  async #store(record: HomeRecord, loaded: LoadedLog, taken: readonly HeldOperation[], keys: LogKeys): Promise<boolean> {
    const userId = record.user_id;
    const plain = (held: HeldOperation) => isPlain(record, loaded.log, held.log);
    const isOwn = (log: string) => loaded.lines.some((line) => line.log === log && line.isOwn);
    const counted = taken.filter(plain);
    const { shown, refused } = await this.applier.applyTaken(loaded.log, counted, isOwn);
    const proof = { epoch: this.epoch.epoch, run: this.epoch.run };
    let hasForgotten = false;
    const isStored = await this.db.transaction(async (tx) => {
      const present = await this.logs.lock(tx, [userId]);
      const changed = new Set(taken.map(({ log }) => log));
      const moved = present.some((line) => changed.has(line.log) && loaded.lines.every((before) => before.log !== line.log || before.id !== line.id || before.n !== line.n));
      if (moved) return false;
      hasForgotten = present.some((line) => line.isOwn && changed.has(line.log));
      await this.store.insert(tx, taken, this.clock.now(), refused);
      await this.store.keep(tx, counted);
      const lines = [...changed].flatMap((log) => loaded.log.linesOf(log).all.map((line): StoredLine => {
        const before = present.find((one) => one.log === log && one.id === line.id);
        const isCounted = isPlain(record, loaded.log, log);
        return {
          ...(before ?? { head: NO_HEAD, isProvisional: false, key: keyFor(record, log, keys, loaded.lines)! }),
          ...line, userId, log, counted: isCounted ? [line.n, line.hash] : (before?.counted ?? [0, '']),
          // Somebody has operations of the own log that are not from here: this home lost its memory, and begins a new log.
          isOwn: false,
        };
      }));
      await this.logs.put(tx, lines);
      tx.afterCommit(() => {
        this.digests.touch(taken);
        this.sizes.added(userId, taken.map(({ op }) => op));
        this.vectors.changed(userId);
      });
      return true;
    });
    if (!isStored) return false;
    // Nobody else has the key, so that this database is older than what was done with it.
    if (hasForgotten) await this.epoch.restored('head', proof);
    await this.applier.settle(record, namesOf(counted.map(({ op }) => op)), shown);
    await this.#writeAgain(record, loaded);
    if (counted.length < taken.length || [...loaded.log.logs.keys()].some((name) => loaded.log.isSurplus(name)) || taken.some(({ op }) => op.kind === 'closed')) await this.standings.restand(record);
    return true;
  }

  /** Where others go on with a log of this home in another way. */
  async #writeAgain(record: HomeRecord, { log, lines }: LoadedLog): Promise<void> {
    const key = (await this.homeKeys.find(record.user_id))?.publicKey;
    for (const name of new Set(lines.filter((line) => line.key === key).map((line) => line.log))) {
      for (const line of log.linesOf(name).all) {
        if (!lines.some((before) => before.log === name && before.id === line.id)) await this.rewritten.beside(record, name, line);
      }
    }
  }

  async #takeKept(userId: string, given: readonly AccountOperation[], copied: ReadonlyMap<string, LogPlace> | null, keys: LogKeys): Promise<number> {
    const record = await this.records.get(userId);
    if (!record) return 0;
    const { fitting } = await this.brought.fitting(userId, given, Infinity);
    const { good: list } = await this.brought.verified(record, fitting, keys, await this.logs.of(userId));
    const heads = copied === null ? new Map<string, LogPlace>() : endsOf(list, copied);
    // What continues a log that is here, or forks it, is taken as ever.
    let { fresh } = copied === null ? await this.#take(userId, [...list].sort((a, b) => a.n - b.n), keys) : { fresh: 0 };
    // First how far the logs go, which is provisional: it tells what of the items counts.
    await this.db.transaction(async (tx) => {
      const lines = await this.logs.lock(tx, [userId]);
      const surplus = surplusLogs([...lines.map((line) => line.log), ...heads.keys()]);
      const jumps = [...heads].flatMap(([log, [n, hash]]): StoredLine[] => {
        const own = lines.filter((line) => line.log === log);
        const key = keyFor(record, log, keys, lines);
        const { as, places } = standingOf(record, log);
        // Anybody can make up a key, and logs of it: what can never count is not kept.
        if ((as === 'cut' && places.length === 0) || surplus.has(log)) return [];
        if (own.length > 1 || own.some((line) => line.isOwn || line.n >= n) || key === undefined) return [];
        const base = own[0] ?? { userId, log, id: 0, parent: null, from: 0, first: '', beside: null, key, isOwn: false, head: NO_HEAD, counted: [0, ''] as [number, string] };
        return [{ ...base, n, hash, isProvisional: true, counted: as === 'open' ? [n, hash] : base.counted }];
      });
      await this.logs.put(tx, jumps);
      tx.afterCommit(() => this.vectors.changed(userId));
      // Whatever an earlier copy was compared with, this one was not.
      if (jumps.length > 0) await this.peers.uncompared(tx, userId);
    });
    const sorted = [...list].sort((a, b) => this.applier.orderOf(a.kind) - this.applier.orderOf(b.kind));
    for (let left = sorted; left.length > 0;) {
      const part = fittingPlaces(left).slice(0, 200);
      fresh += await this.#takeKeptPart(record, part, heads);
      left = left.slice(part.length);
    }
    this.vectors.changed(userId);
    await this.standings.restand(record);
    return fresh;
  }

  async #takeKeptPart(record: HomeRecord, good: readonly AccountOperation[], heads: ReadonlyMap<string, LogPlace>): Promise<number> {
    const loaded = await this.loader.forOperations(record, good);
    const taken: HeldOperation[] = [];
    for (const op of good) {
      const hash = operationHash(op);
      const { log: name, n } = op;
      const end = Math.max(0, ...loaded.log.linesOf(name).all.map((line) => line.n), heads.get(name)?.[0] ?? 0);
      const { as, places } = standingOf(record, name);
      if (n > end || (as === 'cut' && n > Math.max(0, ...places.map(([m]) => m)))) continue;
      const at = loaded.log.find(name, [n, hash]) ?? (n > Math.max(0, ...loaded.log.linesOf(name).all.map((line) => line.n)) ? { line: 0, n } : undefined);
      // What the same line has replaced is not kept here, whatever the other home makes of that log: it would come again and again.
      const isKept = at && loaded.log.newest(itemName(op)).some((held) => held.hash === hash || (held.log === name && held.line === at.line && held.n > n));
      if (!at || isKept) continue;
      const held = { op, hash, log: name, line: at.line, n, home: op.home, ms: op.ms, value: op.value };
      taken.push(held);
    }
    for (const held of taken) loaded.log.load(held);
    const counted = taken.filter((held) => loaded.log.counts(held));
    const { shown, refused } = await this.applier.applyTaken(loaded.log, counted, (log) => loaded.lines.some((line) => line.log === log && line.isOwn));
    await this.db.transaction(async (tx) => {
      await this.store.insert(tx, taken, this.clock.now(), refused);
      await this.store.keep(tx, counted);
      tx.afterCommit(() => {
        this.digests.touch(taken);
        this.sizes.added(record.user_id, taken.map(({ op }) => op));
      });
    });
    await this.applier.settle(record, namesOf(counted.map(({ op }) => op)), shown);
    return taken.length;
  }
}

/** How far logs go, by signed heads and by the operations themselves. */
function endsOf(list: readonly AccountOperation[], heads: ReadonlyMap<string, LogPlace>): Map<string, LogPlace> {
  const ends = new Map(heads);
  for (const op of list) if (op.n > (ends.get(op.log)?.[0] ?? 0)) ends.set(op.log, [op.n, operationHash(op)]);
  return ends;
}

/** A log that counts as far as it is held. */
function isPlain(record: HomeRecord, log: AccountLog, name: string): boolean {
  return standingOf(record, name).as === 'open' && !log.linesOf(name).isForked && !log.isSurplus(name);
}

/** Without what came in the same list. */
function wanting(missing: LogPlaces, taken: readonly HeldOperation[]): LogPlaces {
  const here = new Set(taken.map(({ log, n, hash }) => `${log} ${n} ${hash}`));
  const entries = Object.entries(missing).map(([log, places]) => [log, places.filter(([n, hash]) => !here.has(`${log} ${n} ${hash}`))] as const);
  return Object.fromEntries(entries.filter(([, places]) => places.length > 0));
}
