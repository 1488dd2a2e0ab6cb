import { Injectable, type OnModuleInit } from '@nestjs/common';
import { compareRecords, isLogOf, isSameGenesis, keyOfLog, type AccountOperation, type HomeRecord } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { Database } from '../../storage/database.js';
import { HomeRecords, verifiedRecord } from '../records/home-records.js';
import { FormerRecordsStore } from './former-records.store.js';
import { SharedAccounts } from './shared-accounts.js';

/** Records of one account that others may show; each names a key that no other one here does. 512 KB. */
const MAX_SHOWN = 64;

/**
 * Earlier records of accounts, of those that named a key which is revoked now. They prove that a log which the present record does
 * not know is a revoked home's, and not one that this server has yet to hear of (protocol §4). Whoever hands over operations
 * that knew of such a log shows the record as well.
 */
@Injectable()
export class FormerRecords implements OnModuleInit {
  readonly #cache = boundedCache<string, readonly HomeRecord[]>(20_000);

  constructor(
    private readonly store: FormerRecordsStore,
    private readonly records: HomeRecords,
    private readonly shared: SharedAccounts,
    private readonly db: Database,
  ) {}

  onModuleInit(): void {
    this.records.onStoring(async ({ record }, previous) => {
      const isDue = previous !== undefined && this.shared.hasLog(record.user_id) && this.#added(previous, [record]).length > 0;
      return async (tx) => {
        if (!isDue) return;
        await this.store.put(tx, previous);
        tx.afterCommit(() => this.#cache.delete(record.user_id));
      };
    });
  }

  async of(userId: string): Promise<readonly HomeRecord[]> {
    let known = this.#cache.get(userId);
    if (!known) {
      known = await this.store.of(userId);
      this.#cache.set(userId, known);
    }
    return known;
  }

  /** Those that name the logs which operations knew of and the present record does not know. */
  async naming(record: HomeRecord, ops: readonly Pick<AccountOperation, 'after'>[]): Promise<HomeRecord[]> {
    const former = await this.of(record.user_id);
    if (former.length === 0) return [];
    const unknown = [...new Set(ops.flatMap(({ after }) => Object.keys(after)))].filter((log) => keyOfLog(record, log) === undefined);
    return former.filter((one) => keysOf(one).some((key) => unknown.some((log) => isLogOf(log, record.user_id, key))));
  }

  /** Takes what another home shows, so far as it proves itself and tells of a key that was not known. */
  async learn(present: HomeRecord, shown: unknown): Promise<void> {
    for (const value of Array.isArray(shown) ? (shown as unknown[]).slice(0, MAX_SHOWN) : []) {
      const known = await this.of(present.user_id);
      const record = known.length < MAX_SHOWN ? read(value) : undefined;
      if (record?.user_id !== present.user_id || !isSameGenesis(record, present)) continue;
      if (compareRecords(record, present) >= 0 || this.#added(record, [present, ...known]).length === 0) continue;
      await this.store.put(this.db, record);
      this.#cache.delete(present.user_id);
    }
  }

  /** Keys that none of the others names. */
  #added(record: HomeRecord, others: readonly HomeRecord[]): string[] {
    const named = new Set(others.flatMap(keysOf));
    return keysOf(record).filter((key) => !named.has(key));
  }
}

function keysOf(record: HomeRecord): string[] {
  return [...record.homes, ...(record.retired ?? [])].map(({ key }) => key);
}

function read(value: unknown): HomeRecord | undefined {
  try {
    return verifiedRecord(value);
  } catch (error) {
    if (error instanceof MatrixError) return undefined;
    throw error;
  }
}
