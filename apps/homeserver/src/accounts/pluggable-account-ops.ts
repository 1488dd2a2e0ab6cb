import { Injectable } from '@nestjs/common';
import type { Transaction } from '../storage/database.js';
import { type AccountChange, AccountOps } from './account-ops.js';

/** Records nothing, as befits accounts without a home record, until `homes/` plugs in its log. */
@Injectable()
export class PluggableAccountOps extends AccountOps {
  #log: Pick<AccountOps, 'recordAll'> | null = null;

  /** Called once when the server starts; lies above this folder, hence not injected. */
  plugIn(log: Pick<AccountOps, 'recordAll'>): void {
    this.#log = log;
  }

  override async recordAll(tx: Transaction, changes: ReadonlyMap<string, readonly AccountChange[]>): Promise<void> {
    await this.#log?.recordAll(tx, changes);
  }
}
