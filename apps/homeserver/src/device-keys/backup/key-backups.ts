import { Injectable } from '@nestjs/common';
import { AccountOps } from '../../accounts/account-ops.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { isUniqueViolation } from '../../storage/database-errors.js';
import { Database, type Reads, type Transaction } from '../../storage/database.js';
import { type BackedUpKey, keyChange } from './backed-up-key.js';
import { KeyBackup } from './key-backup.entity.js';
import { KeyBackupStore } from './key-backup.store.js';

/** Of one backup. */
export const MAX_KEYS = 100_000;
export const MAX_BYTES = 64 * 1024 * 1024;
/** Backups of one account, those that were deleted too: what has no number behind it. */
const MAX_BACKUPS = 1_000;

export interface BackupContent {
  readonly algorithm: string;
  /** JSON object. */
  readonly authData: string;
}

/** Backups of message keys (client-server API, §Server-side key backups), at all homes of an account. */
@Injectable()
export class KeyBackups {
  readonly #backups: Reads<KeyBackup>;

  constructor(
    private readonly db: Database,
    private readonly store: KeyBackupStore,
    private readonly ops: AccountOps,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {
    this.#backups = db.repository(KeyBackup);
  }

  /** Makes a backup, which is the current one from then on. @returns its version @throws MatrixError 400 M_RESOURCE_LIMIT_EXCEEDED */
  async create(userId: string, content: BackupContent): Promise<string> {
    for (;;) {
      try {
        return await this.#create(userId, content);
      } catch (error) {
        // Another device of the account made one at the same time, which has the number.
        if (!isUniqueViolation(error)) throw error;
      }
    }
  }

  #create(userId: string, content: BackupContent): Promise<string> {
    return this.db.transaction(async (tx) => {
      const [last] = await tx.repository(KeyBackup).find({ where: { userId }, order: { number: 'DESC' }, take: 1 });
      const number = (last?.number ?? 0) + 1;
      if (number > MAX_BACKUPS) throw new MatrixError(400, 'M_RESOURCE_LIMIT_EXCEEDED', `An account makes ${MAX_BACKUPS} backups at most`);
      const version = this.ops.hasLog(userId) ? `${number}-${this.random.token(6)}` : `${number}`;
      await this.#insert(tx, userId, version, content);
      await this.ops.record(tx, userId, [backupChange(version, content)]);
      return version;
    });
  }

  /** @returns undefined when there is none, or it was deleted */
  async current(userId: string): Promise<KeyBackup | undefined> {
    const [found] = await this.#backups.find({ where: { userId, isDeleted: false }, order: { number: 'DESC', version: 'DESC' }, take: 1 });
    return found;
  }

  /** @throws MatrixError 404 M_NOT_FOUND */
  async get(userId: string, version: string): Promise<KeyBackup> {
    const found = await this.#backups.findOneBy({ userId, version, isDeleted: false });
    if (!found) throw MatrixError.notFound('There is no such backup');
    return found;
  }

  /** @throws MatrixError 404 M_NOT_FOUND; 400 M_INVALID_PARAM for another algorithm */
  async update(userId: string, version: string, content: BackupContent): Promise<void> {
    const { algorithm } = await this.get(userId, version);
    if (algorithm !== content.algorithm) throw MatrixError.invalidParam('The algorithm of a backup cannot be changed');
    await this.db.transaction(async (tx) => {
      await this.save(tx, userId, version, content);
      await this.ops.record(tx, userId, [backupChange(version, content)]);
    });
  }

  /** Deletes a backup with its keys; doing it again changes nothing. @throws MatrixError 404 M_NOT_FOUND for one that never was */
  async delete(userId: string, version: string): Promise<void> {
    const found = await this.#backups.findOneBy({ userId, version });
    if (!found) throw MatrixError.notFound('There is no such backup');
    if (found.isDeleted) return;
    await this.db.transaction(async (tx) => {
      await this.end(tx, userId, version);
      await this.ops.record(tx, userId, [{ kind: 'key_backup', key: version, value: null }]);
    });
  }

  /**
   * Merges keys into the current backup.
   *
   * @throws MatrixError 404 M_NOT_FOUND; 403 M_WRONG_ROOM_KEYS_VERSION for a backup that is not the current one; 413 M_TOO_LARGE
   */
  async put(userId: string, version: string, keys: readonly BackedUpKey[]): Promise<{ etag: string; count: number }> {
    const current = await this.current(userId);
    if (!current) throw MatrixError.notFound('There is no backup');
    if (current.version !== version) throw new MatrixError(403, 'M_WRONG_ROOM_KEYS_VERSION', 'This is not the current backup', { current_version: current.version });
    return this.#change(current, keys);
  }

  /** Deletes keys of a backup. @throws MatrixError 404 M_NOT_FOUND */
  async deleteKeys(userId: string, version: string, which: { roomId?: string; sessionId?: string }): Promise<{ etag: string; count: number }> {
    const backup = await this.get(userId, version);
    const { roomId, sessionId } = which;
    let last = { etag: `${backup.etag}`, count: backup.keys };
    for await (const keys of this.#keys(userId, version, roomId)) {
      const meant = keys.filter((key) => sessionId === undefined || key.sessionId === sessionId);
      if (meant.length > 0) last = await this.#change(backup, meant.map((key) => ({ ...key, sessionData: null })));
    }
    return last;
  }

  async *#keys(userId: string, version: string, roomId: string | undefined): AsyncGenerator<BackedUpKey[]> {
    if (roomId === undefined) yield* this.store.all(userId, version);
    else yield await this.store.ofRoom(userId, version, roomId);
  }

  #change({ userId, version, etag, keys: count }: KeyBackup, keys: readonly BackedUpKey[]): Promise<{ etag: string; count: number }> {
    return this.db.transaction(async (tx) => {
      const { taken, grown } = await this.store.put(tx, userId, version, keys, { ts: this.clock.now(), isReplica: false });
      if (taken.length === 0) return { etag: `${etag}`, count };
      const size = await this.store.grow(tx, userId, version, grown);
      if (size && grown.keys > 0 && (size.keys > MAX_KEYS || size.bytes > MAX_BYTES)) throw MatrixError.tooLarge('The backup is full');
      await this.ops.record(tx, userId, taken.map(keyChange));
      return { etag: `${size?.etag ?? etag}`, count: size?.keys ?? count };
    });
  }

  /** Stores what is said of a backup; one that was deleted stays so. */
  async save(tx: Transaction, userId: string, version: string, { algorithm, authData }: BackupContent): Promise<void> {
    const backups = tx.repository(KeyBackup);
    if ((await backups.update({ userId, version }, { algorithm, authData })).affected) return;
    await this.#insert(tx, userId, version, { algorithm, authData });
    await this.store.recount(tx, userId, version);
  }

  async #insert(tx: Transaction, userId: string, version: string, { algorithm, authData }: BackupContent): Promise<void> {
    await tx.repository(KeyBackup).insert({ userId, version, number: numberOf(version), algorithm, authData, isDeleted: false, etag: 0, keys: 0, bytes: 0 });
  }

  /** Deletes a backup, known or not, for good. */
  async end(tx: Transaction, userId: string, version: string): Promise<void> {
    const empty = { isDeleted: true, algorithm: '', authData: '{}', keys: 0, bytes: 0 };
    const backups = tx.repository(KeyBackup);
    if (!(await backups.update({ userId, version }, empty)).affected) await backups.insert({ userId, version, number: numberOf(version), etag: 0, ...empty });
    await this.store.dropKeys(tx, userId, version);
  }
}

/** The operation that tells the other homes (protocol §4, kind `key_backup`). */
export function backupChange(version: string, { algorithm, authData }: BackupContent): { kind: 'key_backup'; key: string; value: object } {
  return { kind: 'key_backup', key: version, value: { algorithm, auth_data: authData } };
}

function numberOf(version: string): number {
  return Number(/^\d{1,15}/.exec(version)?.[0] ?? 0);
}
