import { Injectable, type OnModuleInit } from '@nestjs/common';
import { logName, operationHash, signOperation, type AccountOperation, type HeldOperation, type LogPlaces, type SigningKey } from '#federation';
import type { AccountChange } from '../../accounts/account-ops.js';
import { type AccountLogWriter, PluggableAccountOps } from '../../accounts/pluggable-account-ops.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { Database, type Transaction } from '../../storage/database.js';
import { HomeKeys } from '../records/home-keys.js';
import { HomeRecords } from '../records/home-records.js';
import { AccountDigests } from './account-digests.js';
import { AccountLogsStore, countedEnds, type StoredLine } from './account-logs.store.js';
import { AccountPeersStore } from './account-peers.store.js';
import { AccountVectors } from './account-vectors.js';
import { LogSizes } from './log-sizes.js';
import { OperationsStore } from './operations.store.js';
import { SharedAccounts } from './shared-accounts.js';

/** A change with the time and the writer that it had before there were logs. */
export interface EarlierChange extends AccountChange {
  readonly ms?: number;
  readonly home?: string;
}

/** Kinds that clients fill as they like. What others send, and what keeps the account whole, is never refused. */
const BOUNDED_KINDS: readonly string[] = ['account_data', 'room_account_data', 'push_rules', 'profile', 'filter'];
const NO_HEAD: StoredLine['head'] = { n: 0, hash: '', signature: '' };

/** This home's own logs: every change of replicated data becomes an operation, in its own transaction (protocol §4). */
@Injectable()
export class OperationLog implements OnModuleInit {
  readonly #listeners = new Set<(userId: string) => void>();

  constructor(
    private readonly config: Config,
    private readonly pluggable: PluggableAccountOps,
    private readonly records: HomeRecords,
    private readonly shared: SharedAccounts,
    private readonly keys: HomeKeys,
    private readonly logs: AccountLogsStore,
    private readonly store: OperationsStore,
    private readonly peers: AccountPeersStore,
    private readonly vectors: AccountVectors,
    private readonly digests: AccountDigests,
    private readonly sizes: LogSizes,
    private readonly db: Database,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.pluggable.plugIn(this satisfies AccountLogWriter);
    // In the transaction of the record: what is written after it would count nowhere.
    this.records.onStoring(async ({ record: { user_id: userId, cuts = {} } }) => {
      const isDue = Object.keys(cuts).length > 0 && this.shared.hasLog(userId);
      return async (tx) => (isDue ? this.logs.disownSome(tx, userId, Object.keys(cuts)) : undefined);
    });
  }

  /** Called after own operations of an account were committed. */
  onRecorded(listener: (userId: string) => void): void {
    this.#listeners.add(listener);
  }

  /**
   * Lets the next operation of an account begin a new log, or that of every account: this home may have lost what it wrote (a
   * backup was restored), and must not give a number twice. The old log is then another one, and fetched from whoever has it.
   */
  async beginAnew(userId: string | null = null): Promise<void> {
    await this.logs.disown(this.db, userId);
  }

  hasLog(userId: string): boolean {
    return this.shared.hasLog(userId);
  }

  async isWritten(tx: Transaction, userId: string, item: Pick<AccountChange, 'kind' | 'key'>): Promise<boolean> {
    return !this.shared.hasLog(userId) || this.store.isWritten(tx, userId, item);
  }

  /** Whether every other home has said that it holds all that this one does. */
  async isEverywhere(userId: string): Promise<boolean> {
    const others = this.shared.others(userId);
    if (others.length === 0) return true;
    // Of a log that its home has not signed up to here nobody can say how far he holds it.
    const ends = [...countedEnds((await this.logs.of(userId)).filter((line) => line.isOwn || line.head.n >= line.n))];
    const peers = await this.peers.of(userId);
    return others.every((home) => {
      const places = peers.find((peer) => peer.home === home)?.places ?? {};
      return ends.every(([log, list]) => list.every(([n]) => (places[log] ?? []).some(([m]) => m >= n)));
    });
  }

  async recordAll(tx: Transaction, changes: ReadonlyMap<string, readonly AccountChange[]>): Promise<void> {
    const due = [...changes].filter(([userId, list]) => list.length > 0 && this.shared.hasLog(userId));
    if (due.length > 0) await this.#write(tx, new Map(due), false);
  }

  /** Writes what was there before the log was: its writer knew of nothing, so that it stands back behind every real write. */
  async recordEarlier(tx: Transaction, userId: string, changes: readonly EarlierChange[]): Promise<void> {
    if (changes.length > 0) await this.#write(tx, new Map([[userId, changes]]), true);
  }

  async #write(tx: Transaction, changes: ReadonlyMap<string, readonly EarlierChange[]>, knowsNothing: boolean): Promise<void> {
    const userIds = [...changes.keys()];
    // The row locks make the chain follow the order of commits.
    const lines = await this.logs.lock(tx, userIds);
    const ops: HeldOperation[] = [];
    const begun: StoredLine[] = [];
    for (const [userId, list] of changes) {
      const key = await this.keys.find(userId, tx);
      if (!key) continue;
      let present = lines.filter((line) => line.userId === userId);
      if (!present.some((line) => line.isOwn)) {
        await this.logs.begin(tx, userId);
        present = await this.logs.lock(tx, [userId]);
      }
      const written = this.#chain(userId, key, present, list, knowsNothing);
      if (!this.sizes.admitsOwn(userId, written.ops.map(({ op }) => op).filter(isBounded))) throw MatrixError.tooLarge('This account holds too much data');
      ops.push(...written.ops);
      if (written.begun) begun.push(written.begun);
    }
    if (ops.length === 0) return;
    if (begun.length > 0) await this.logs.put(tx, begun);
    await this.store.append(tx, ops, this.clock.now());
    tx.afterCommit(() => {
      this.digests.touch(ops);
      for (const userId of userIds) {
        this.sizes.added(userId, ops.flatMap(({ op }) => (op.user_id === userId ? [op] : [])));
        this.vectors.changed(userId);
        for (const listener of this.#listeners) listener(userId);
      }
    });
  }

  #chain(
    userId: string, key: SigningKey, present: readonly StoredLine[], changes: readonly EarlierChange[], knowsNothing: boolean,
  ): { ops: HeldOperation[]; begun: StoredLine | null } {
    const own = present.find((line) => line.isOwn && line.key === key.publicKey);
    const log = own?.log ?? logName(userId, key.publicKey, this.random.token(8).slice(0, 10));
    const line = own?.id ?? 0;
    let n = own?.n ?? 0;
    let prev: string | null = own?.hash ?? null;
    let after: LogPlaces = {};
    if (!knowsNothing) {
      const ends = countedEnds(present);
      ends.delete(log);
      after = Object.fromEntries(ends);
    }
    const ops = changes.map((change): HeldOperation => {
      const { kind, key: item, value, ms = this.clock.now(), home = this.config.serverName } = change;
      const op = signOperation(
        { user_id: userId, log, n: ++n, prev, after, home, ms, kind, key: item, value: JSON.stringify(value ?? null) }, key,
      );
      prev = operationHash(op);
      return { op, hash: prev, log, line, n, home, ms, value: op.value };
    });
    const begun: StoredLine | null = own ? null : {
      userId, log, id: line, parent: null, from: 0, first: ops[0]!.hash, beside: null, n: 0, hash: '', counted: [0, ''], key: key.publicKey,
      isOwn: true, isProvisional: false, head: NO_HEAD,
    };
    return { ops, begun };
  }
}

function isBounded({ kind, value }: AccountOperation): boolean {
  return value !== 'null' && BOUNDED_KINDS.includes(kind);
}
