import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../storage/database.js';

const add = statement(
  'removed_device.add',
  `INSERT INTO removed_devices (user_id, device_id, removed_ts) SELECT $1, u.device_id, $3 FROM unnest($2::text[]) AS u(device_id)
   ON CONFLICT (user_id, device_id) DO UPDATE SET removed_ts = excluded.removed_ts`,
);
const take = statement('removed_device.take', 'DELETE FROM removed_devices WHERE user_id = $1 AND device_id = $2');
const has = statement('removed_device.has', 'SELECT 1 FROM removed_devices WHERE user_id = $1 AND device_id = $2');
const ofUser = statement('removed_device.of_user', 'SELECT device_id FROM removed_devices WHERE user_id = $1 ORDER BY removed_ts DESC LIMIT $2');
const usersBefore = statement('removed_device.users_before', 'SELECT DISTINCT user_id FROM removed_devices WHERE removed_ts < $1');
const forget = statement('removed_device.forget', 'DELETE FROM removed_devices WHERE user_id = ANY($1) AND removed_ts < $2');

/** The table `removed_devices`. */
@Injectable()
export class RemovedDeviceStore {
  constructor(private readonly db: Database) {}

  async add(db: Queryable, userId: string, deviceIds: readonly string[], now: number): Promise<void> {
    await db.write(add, [userId, deviceIds, now]);
  }

  /** The id is in use again. */
  async take(db: Queryable, userId: string, deviceId: string): Promise<void> {
    await db.write(take, [userId, deviceId]);
  }

  async has(db: Queryable, userId: string, deviceId: string): Promise<boolean> {
    return (await db.query(has, [userId, deviceId])).length > 0;
  }

  /** The latest removals. */
  async ofUser(userId: string, limit: number): Promise<string[]> {
    return (await this.db.query<{ device_id: string }>(ofUser, [userId, limit])).map((row) => row.device_id);
  }

  /** Accounts with removals that are older. */
  async usersBefore(ts: number): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(usersBefore, [ts])).map((row) => row.user_id);
  }

  async forget(userIds: readonly string[], before: number): Promise<void> {
    await this.db.query(forget, [userIds, before]);
  }
}
