import { Injectable } from '@nestjs/common';
import { isLogOf, type HomeRecord } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Database } from '../../storage/database.js';
import { HomeKeys } from '../records/home-keys.js';
import { AccountDigests } from './account-digests.js';
import { AccountLogsStore } from './account-logs.store.js';

/**
 * Accounts that dropped this server and ask it again. What it knows of their logs is from before what was dropped elsewhere
 * meanwhile: it takes a copy and gives none (protocol §4). Its home key is another one, too (`HomeKeys.forOffer`).
 */
@Injectable()
export class ReturningAccounts {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly keys: HomeKeys,
    private readonly logs: AccountLogsStore,
    private readonly digests: AccountDigests,
    private readonly db: Database,
  ) {}

  /** Called before this server offers itself. @param record the highest one, which does not name this server when it was dropped */
  async prepare(userId: string, record: HomeRecord | undefined): Promise<void> {
    if (!record || this.directory.has(userId)) return;
    const key = await this.keys.find(userId);
    if (!key || record.homes.some((home) => home.key === key.publicKey)) return;
    const wasRetired = (record.retired ?? []).some((home) => home.key === key.publicKey);
    const hasWritten = (await this.logs.of(userId)).some((line) => isLogOf(line.log, userId, key.publicKey));
    if (!wasRetired && !hasWritten) return;
    await this.logs.forget(this.db, userId);
    this.digests.forget(userId);
  }
}
