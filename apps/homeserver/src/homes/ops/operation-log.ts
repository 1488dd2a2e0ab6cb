import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AccountOps, type AccountChange } from '../../accounts/account-ops.js';
import { PluggableAccountOps } from '../../accounts/pluggable-account-ops.js';
import { Config } from '../../config/config.js';
import { Clock } from '../../observability/clock.js';
import type { Transaction } from '../../storage/database.js';
import { HomeKeys } from '../records/home-keys.js';
import { AccountVectors } from './account-vectors.js';
import { HybridClock } from './hybrid-clock.js';
import { operationInput, type Operation } from './operation.js';
import { OperationsStore } from './operations.store.js';
import { SharedAccounts } from './shared-accounts.js';

/** This home's own part of the operation logs: every change of replicated data becomes an operation, in its own transaction. */
@Injectable()
export class OperationLog implements OnModuleInit {
  readonly clock: HybridClock;
  readonly #listeners = new Set<(userId: string) => void>();

  constructor(
    private readonly config: Config,
    private readonly ops: AccountOps,
    private readonly pluggable: PluggableAccountOps,
    private readonly shared: SharedAccounts,
    private readonly keys: HomeKeys,
    private readonly store: OperationsStore,
    private readonly vectors: AccountVectors,
    private readonly wallClock: Clock,
  ) {
    this.clock = new HybridClock(() => wallClock.now());
  }

  async onModuleInit(): Promise<void> {
    const last = await this.store.lastReading();
    if (last !== null) this.clock.observe(last);
    this.pluggable.plugIn(this);
  }

  /** Called after own operations of an account were committed. */
  onRecorded(listener: (userId: string) => void): void {
    this.#listeners.add(listener);
  }

  async record(tx: Transaction, userId: string, changes: readonly AccountChange[]): Promise<void> {
    if (changes.length === 0 || this.shared.others(userId).length === 0) return;
    const key = await this.keys.find(userId);
    if (!key) return;
    const home = this.config.serverName;
    // The row lock makes numbers and clock readings follow the order of commits.
    const first = (await this.store.advance(tx, userId, home, changes.length)) - changes.length + 1;
    const list = changes.map((change, i): Operation => {
      const op = {
        userId, home, n: first + i, hlc: this.clock.tick(), kind: change.kind, key: change.key,
        value: JSON.stringify(change.value ?? null),
      };
      return { ...op, signature: key.sign(operationInput(op)) };
    });
    await this.store.insert(tx, list, this.wallClock.now());
    const contested = list.filter((op) => this.ops.applier(op.kind as AccountChange['kind'])?.merge === 'last-writer');
    await this.store.win(tx, userId, contested.map((op) => ({ ...op, isRemoved: op.value === 'null' })));
    tx.afterCommit(() => {
      this.vectors.changed(userId);
      for (const listener of this.#listeners) listener(userId);
    });
  }
}
