import { Injectable } from '@nestjs/common';
import type { Transaction } from '../storage/database.js';
import { type AccountChange, AccountOps } from './account-ops.js';

/** What `homes/` plugs in. */
export type AccountLogWriter = Pick<AccountOps, 'recordAll' | 'hasLog' | 'isWritten' | 'isEverywhere'>;

/** Records nothing, as befits accounts without a home record, until `homes/` plugs in its log. */
@Injectable()
export class PluggableAccountOps extends AccountOps {
  #log: AccountLogWriter | null = null;

  /** Called once when the server starts; lies above this folder, hence not injected. */
  plugIn(log: AccountLogWriter): void {
    this.#log = log;
  }

  override async recordAll(tx: Transaction, changes: ReadonlyMap<string, readonly AccountChange[]>): Promise<void> {
    await this.#log?.recordAll(tx, changes);
  }

  override hasLog(userId: string): boolean {
    return this.#log?.hasLog(userId) ?? false;
  }

  override async isWritten(tx: Transaction, userId: string, item: Pick<AccountChange, 'kind' | 'key'>): Promise<boolean> {
    return (await this.#log?.isWritten(tx, userId, item)) ?? true;
  }

  override async isEverywhere(userId: string): Promise<boolean> {
    return (await this.#log?.isEverywhere(userId)) ?? true;
  }
}
