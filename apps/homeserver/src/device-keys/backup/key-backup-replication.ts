import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { parseStoredJson } from '#json';
import { type AccountChange, AccountOps, type RemoteChange } from '../../accounts/account-ops.js';
import { Database } from '../../storage/database.js';
import { keyChange, readKeyChange } from './backed-up-key.js';
import { KeyBackup } from './key-backup.entity.js';
import { KeyBackupStore } from './key-backup.store.js';
import { backupChange, KeyBackups } from './key-backups.js';

const contentSchema = z.object({ algorithm: z.string().max(255), auth_data: z.string() });

/** Backups of keys between the homes of an account (protocol §4, "Key backups"). */
@Injectable()
export class KeyBackupReplication implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly ops: AccountOps,
    private readonly backups: KeyBackups,
    private readonly store: KeyBackupStore,
  ) {}

  onModuleInit(): void {
    this.ops.register('key_backup', {
      merge: 'removal-wins',
      apply: (change) => this.#applyBackup(change),
      snapshot: async (userId) => (await this.#ofUser(userId)).map((one) => backupChange(one.version, one)),
    });
    this.ops.register('backed_up_key', {
      merge: 'own',
      apply: (change) => this.#applyKey(change),
      snapshot: async (userId) => {
        const changes: AccountChange[] = [];
        for (const { version } of await this.#ofUser(userId)) for await (const keys of this.store.all(userId, version)) changes.push(...keys.map(keyChange));
        return changes;
      },
    });
  }

  #ofUser(userId: string): Promise<KeyBackup[]> {
    return this.db.repository(KeyBackup).find({ where: { userId, isDeleted: false } });
  }

  async #applyBackup({ userId, key: version, value }: RemoteChange): Promise<void> {
    if (version.length > 255) return;
    const content = contentSchema.safeParse(value).data;
    if (value !== null && (!content || !isJson(content.auth_data))) return;
    await this.db.transaction(async (tx) => {
      if (!content) await this.backups.end(tx, userId, version);
      else await this.backups.save(tx, userId, version, { algorithm: content.algorithm, authData: content.auth_data });
    });
  }

  async #applyKey(change: RemoteChange): Promise<void> {
    const key = readKeyChange(change);
    if (!key) return;
    const { userId, ms } = change;
    await this.db.transaction(async (tx) => {
      // Keys of a backup that is gone are of no use, whichever came first.
      if (await tx.repository(KeyBackup).existsBy({ userId, version: key.version, isDeleted: true })) return;
      const { taken, grown } = await this.store.put(tx, userId, key.version, [key], { ts: ms, isReplica: true });
      if (taken.length > 0) await this.store.grow(tx, userId, key.version, grown);
    });
  }
}

function isJson(json: string): boolean {
  try {
    return parseStoredJson(json) !== null;
  } catch {
    return false;
  }
}
