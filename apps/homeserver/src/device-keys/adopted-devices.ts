import { Injectable } from '@nestjs/common';
import { Clock } from '../observability/clock.js';
import { type Queryable, statement } from '../storage/database.js';

const adopt = statement(
  'adopted_devices.adopt',
  `WITH devices AS (
     INSERT INTO devices (user_id, device_id, display_name, created_ts)
     SELECT user_id, device_id, display_name, $2 FROM remote_devices WHERE user_id = $1 AND json IS NOT NULL
     ON CONFLICT DO NOTHING
   ), keys AS (
     INSERT INTO device_keys (user_id, device_id, json)
     SELECT user_id, device_id, json FROM remote_devices WHERE user_id = $1 AND json IS NOT NULL
     ON CONFLICT DO NOTHING
   ), list AS (DELETE FROM remote_device_lists WHERE user_id = $1)
   DELETE FROM remote_devices WHERE user_id = $1`,
);

/**
 * Keeps the devices of an account that comes to live here, as far as this server knows them because others here share rooms with
 * it. An emergency home gets them from nowhere else; and without them the account's devices would seem to be gone to the
 * people here, whose clients would change their keys and leave those devices out. The keys are signed by the devices themselves.
 */
@Injectable()
export class AdoptedDevices {
  constructor(private readonly clock: Clock) {}

  /** @param tx the transaction that creates the account here */
  async adopt(tx: Queryable, userId: string): Promise<void> {
    await tx.write(adopt, [userId, this.clock.now()]);
  }
}
