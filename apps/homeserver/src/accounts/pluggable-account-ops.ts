import { Injectable } from '@nestjs/common';
import type { Transaction } from '../storage/database.js';
import { type AccountChange, AccountOps } from './account-ops.js';

/** Records nothing, as befits accounts with a single home, until `homes/` plugs in its log. */
@Injectable()
export class PluggableAccountOps extends AccountOps {
  #log: Pick<AccountOps, 'record'> | null = null;

  /** Called once when the server starts; lies above this folder, hence not injected. */
  plugIn(log: Pick<AccountOps, 'record'>): void {
    this.#log = log;
  }

  override async record(tx: Transaction, userId: string, changes: readonly AccountChange[]): Promise<void> {
    await this.#log?.record(tx, userId, changes);
  }
}
