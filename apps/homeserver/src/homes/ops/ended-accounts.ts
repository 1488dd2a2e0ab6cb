import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Deactivation } from '../../accounts/deactivation.js';
import { Database } from '../../storage/database.js';
import { HomeRecords } from '../records/home-records.js';
import { AccountDigests } from './account-digests.js';
import { AccountLogsStore } from './account-logs.store.js';

/**
 * The logs of an account hold all of its data once more. They go with it where its last record tells the other homes; where only
 * an operation does they are needed for that.
 */
@Injectable()
export class EndedAccounts implements OnModuleInit {
  constructor(
    private readonly deactivation: Deactivation,
    private readonly records: HomeRecords,
    private readonly logs: AccountLogsStore,
    private readonly digests: AccountDigests,
    private readonly db: Database,
  ) {}

  onModuleInit(): void {
    this.deactivation.onDeactivated((userId) => this.#forget(userId));
  }

  async #forget(userId: string): Promise<void> {
    if (!(await this.records.get(userId))?.deactivated) return;
    await this.logs.forget(this.db, userId);
    this.digests.forget(userId);
  }
}
