import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountOps } from '../../accounts/account-ops.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Log } from '../../observability/log.js';
import { Database } from '../../storage/database.js';
import { isUnavailable } from '../../storage/database-errors.js';
import { ArrivalsStore } from '../attach/arrivals.store.js';
import { AccountLogsStore } from './account-logs.store.js';
import { OperationLog, type EarlierChange } from './operation-log.js';
import { OperationsStore } from './operations.store.js';
import { SharedAccounts } from './shared-accounts.js';

/** Until the database is asked again. */
const RETRY_MS = 2_000;

/**
 * Writes an operation for each item that has none: when an account gets its record, when the server comes from a version without
 * logs, and when a kind begins to be replicated (protocol §4).
 */
@Injectable()
export class LogBackfill implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #inTurn = new KeyedQueue();
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    private readonly shared: SharedAccounts,
    private readonly directory: AccountDirectory,
    private readonly arrivals: ArrivalsStore,
    private readonly ops: AccountOps,
    private readonly operationLog: OperationLog,
    private readonly logs: AccountLogsStore,
    private readonly store: OperationsStore,
    private readonly db: Database,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    // Accounts that come with this record have their data from other homes, with its operations.
    this.shared.onChanged((userId) => {
      if (this.directory.has(userId)) this.#later(userId);
    });
    for (const userId of this.shared.all()) this.#later(userId);
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Every item that is here has its operation now. */
  async isDone(userId: string): Promise<void> {
    await this.logs.addKinds(this.db, userId, [...this.ops.kinds()].map(([kind]) => kind));
  }

  #later(userId: string): void {
    this.#running = this.#running.then(() => this.#inTurn.run(userId, () => this.#run(userId))).catch((error: unknown) => {
      if (this.#stopped) return;
      this.log.error('operations could not be written for what was there before', error, { userId });
      if (isUnavailable(error)) setTimeout(() => this.#stopped || this.#later(userId), RETRY_MS).unref();
    });
  }

  async #run(userId: string): Promise<void> {
    if (this.#stopped) return;
    const done = await this.logs.kinds(userId);
    const due = [...this.ops.kinds()].filter(([kind]) => !done.includes(kind));
    if (due.length === 0 || (await this.arrivals.progress(userId)).isListed === false) return;
    for (const [kind, applier] of due) {
      await this.db.transaction(async (tx) => {
        // Waits for whoever is writing, and lets nobody write: else an item could get an older operation after its newer one.
        await this.logs.begin(tx, userId);
        await this.logs.lock(tx, [userId]);
        const known = await this.store.keysOfKind(userId, kind);
        const earlier = await this.store.oldWriters(userId, kind);
        const changes: EarlierChange[] = (await applier.snapshot(userId)).filter(({ key }) => !known.has(key)).map((change) => ({ ms: 0, ...change, ...pick(earlier.get(change.key)) }));
        const present = new Set(changes.map(({ key }) => key));
        for (const [key, { ms, home, isRemoved }] of earlier) if (isRemoved && !known.has(key) && !present.has(key)) changes.push({ kind, key, value: null, ms, home });
        await this.operationLog.recordEarlier(tx, userId, changes);
        await this.logs.addKinds(tx, userId, [kind]);
      });
    }
  }
}

function pick(writer: { ms: number; home: string } | undefined): { ms?: number; home?: string } {
  return writer ? { ms: writer.ms, home: writer.home } : {};
}
