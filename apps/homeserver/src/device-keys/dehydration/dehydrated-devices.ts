import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { parseStoredJson } from '#json';
import { type AccountChange, AccountOps, type RemoteChange } from '../../accounts/account-ops.js';
import { Devices } from '../../accounts/devices.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { text } from '../../http/query-schemas.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Database, type Transaction } from '../../storage/database.js';
import { DeviceKeyUpload, type KeyUpload } from '../keys/device-key-upload.js';
import { DehydratedDevice } from './dehydrated-device.entity.js';

/** Of the client's data about a device. */
export const MAX_DEVICE_DATA_BYTES = 64 * 1024;
const MAX_DEVICE_ID = 255;

const valueSchema = z.object({ device_id: text(MAX_DEVICE_ID).min(1), device_data: text(MAX_DEVICE_DATA_BYTES) });

/** What a client puts away. */
export interface Dehydration extends KeyUpload {
  readonly deviceId: string;
  readonly displayName: string | null;
  /** JSON object. */
  readonly deviceData: string;
}

/**
 * The device of an account that others encrypt for while nobody is logged in with it (MSC3814). It is a device like any other, with keys
 * and an inbox that keeps what comes, and beside it lies what its owner needs to become that device again.
 */
@Injectable()
export class DehydratedDevices implements OnModuleInit {
  /** By user id: of two that are put away at once the second replaces the first. */
  readonly #turns = new KeyedQueue();

  constructor(
    private readonly db: Database,
    private readonly ops: AccountOps,
    private readonly devices: Devices,
    private readonly upload: DeviceKeyUpload,
  ) {}

  onModuleInit(): void {
    this.ops.register('dehydrated_device', {
      merge: 'last-writer',
      apply: (change) => this.#apply(change),
      snapshot: async (userId) => (await this.db.repository(DehydratedDevice).findBy({ userId })).map(change),
    });
  }

  /** Undefined where there is none, or where its device was removed like any other. */
  async of(userId: string): Promise<DehydratedDevice | undefined> {
    const found = await this.db.repository(DehydratedDevice).findOneBy({ userId });
    return found && (await this.devices.get(userId, found.deviceId)) ? found : undefined;
  }

  /**
   * Puts a device away in place of the one before, whose keys and messages go.
   *
   * @throws MatrixError 400 M_INVALID_PARAM for a device that is somebody's session, or for wrong keys; then nothing is stored
   */
  async put(userId: string, { deviceId, displayName, deviceData, ...keys }: Dehydration): Promise<void> {
    const checked = this.upload.checked(userId, deviceId, keys);
    await this.#turns.run(userId, async () => {
      const before = await this.of(userId);
      const store = (tx: Transaction): Promise<void> => this.#store(tx, { userId, deviceId, deviceData });
      if (before?.deviceId === deviceId) await this.db.transaction(store);
      // Whoever is logged in with it would share its messages and keys.
      else if (!(await this.devices.upsert({ userId, deviceId, displayName }, store))) throw MatrixError.invalidParam('There is such a device, and it is not dehydrated');
      await this.upload.store(userId, deviceId, checked);
      if (before && before.deviceId !== deviceId) await this.devices.delete(userId, [before.deviceId]);
    });
  }

  /** @returns the device that went; undefined when there was none */
  async delete(userId: string): Promise<string | undefined> {
    return this.#turns.run(userId, async () => {
      const device = await this.of(userId);
      if (!device) return undefined;
      await this.devices.delete(userId, [device.deviceId]);
      await this.db.transaction(async (tx) => {
        await tx.repository(DehydratedDevice).delete({ userId });
        await this.ops.record(tx, userId, [{ kind: 'dehydrated_device', key: '', value: null }]);
      });
      return device.deviceId;
    });
  }

  async #store(tx: Transaction, device: DehydratedDevice): Promise<void> {
    await tx.repository(DehydratedDevice).upsert(device, ['userId']);
    await this.ops.record(tx, device.userId, [change(device)]);
  }

  async #apply({ userId, key, value }: RemoteChange): Promise<void> {
    if (key !== '') return;
    const content = valueSchema.safeParse(value).data;
    if (value !== null && (!content || !isObjectText(content.device_data))) return;
    await this.db.transaction(async (tx) => {
      const devices = tx.repository(DehydratedDevice);
      if (content) await devices.upsert({ userId, deviceId: content.device_id, deviceData: content.device_data }, ['userId']);
      else await devices.delete({ userId });
    });
  }
}

function change({ deviceId, deviceData }: DehydratedDevice): AccountChange {
  return { kind: 'dehydrated_device', key: '', value: { device_id: deviceId, device_data: deviceData } };
}

function isObjectText(json: string): boolean {
  try {
    const value = parseStoredJson(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
