import { Injectable } from '@nestjs/common';
import { Database, longStatement } from '../storage/database.js';
import { erasedTables } from './account-kinds.js';

/** Rooms that refused to be left still count the account among their members here. */
const conditions: Readonly<Record<string, string>> = { local_memberships: ` AND membership <> 'join'` };
const userColumns: Readonly<Record<string, string>> = { key_signatures: 'signer_id' };

const deletions = erasedTables.map((table) =>
  longStatement(`account_erasure.${table}`, `DELETE FROM ${table} WHERE ${userColumns[table] ?? 'user_id'} = $1${conditions[table] ?? ''}`));

/** All that an account that has ended left behind in the stores of its data (account-kinds.ts). */
@Injectable()
export class AccountErasureStore {
  constructor(private readonly db: Database) {}

  async eraseAll(userId: string): Promise<void> {
    for (const deletion of deletions) await this.db.query(deletion, [userId]);
  }
}
