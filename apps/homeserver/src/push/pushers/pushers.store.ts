import { Injectable } from '@nestjs/common';
import { Database, statement, type Transaction } from '../../storage/database.js';
import type { PusherName } from './pusher-content.js';

const accounts = statement('pushers.accounts', 'SELECT DISTINCT user_id FROM pushers');
const orphans = statement(
  'pushers.orphans',
  `SELECT user_id, app_id, pushkey FROM pushers p
   WHERE device_id IS NOT NULL AND EXISTS (SELECT 1 FROM removed_devices r WHERE r.user_id = p.user_id AND r.device_id = p.device_id)
     AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.user_id = p.user_id AND d.device_id = p.device_id)`,
);
const names = '(SELECT * FROM unnest($2::text[], $3::text[]))';
const remove = statement('pushers.remove', `DELETE FROM pushers WHERE user_id = $1 AND (app_id, pushkey) IN ${names}`);
const removePushes = statement('pushes.remove_of_pushers', `DELETE FROM pushes WHERE user_id = $1 AND (app_id, pushkey) IN ${names}`);

/** The table `pushers`, where it is more than rows by their key. */
@Injectable()
export class PushersStore {
  constructor(private readonly db: Database) {}

  async accounts(): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(accounts)).map((row) => row.user_id);
  }

  /** Pushers whose device was removed. */
  async orphans(): Promise<(PusherName & { readonly userId: string })[]> {
    const rows = await this.db.query<{ user_id: string; app_id: string; pushkey: string }>(orphans);
    return rows.map((row) => ({ userId: row.user_id, appId: row.app_id, pushkey: row.pushkey }));
  }

  /** With what waits for them. */
  async remove(tx: Transaction, userId: string, pushers: readonly PusherName[]): Promise<void> {
    const values = [userId, pushers.map((one) => one.appId), pushers.map((one) => one.pushkey)];
    await tx.write(remove, values);
    await tx.write(removePushes, values);
  }
}
