import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Devices } from '../accounts/devices.js';
import { Database } from '../storage/database.js';
import { DeviceLists } from './device-lists/device-lists.js';
import { DeviceKeyStore } from './keys/device-key.store.js';
import { OneTimeKeyStore } from './one-time-keys/one-time-key.store.js';
import { OneTimeKeys } from './one-time-keys/one-time-keys.js';
import { ToDeviceStore } from './to-device/to-device.store.js';

/** Takes keys and messages away with their device, and tells of devices that got another name. */
@Injectable()
export class DeletedDevices implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  readonly #unsubscribe: (() => void)[] = [];

  constructor(
    private readonly db: Database,
    private readonly devices: Devices,
    private readonly keys: DeviceKeyStore,
    private readonly oneTimeKeyStore: OneTimeKeyStore,
    private readonly oneTimeKeys: OneTimeKeys,
    private readonly inbox: ToDeviceStore,
    private readonly deviceLists: DeviceLists,
  ) {}

  onModuleInit(): void {
    this.#unsubscribe.push(
      this.devices.onDeleted(async (userId, deviceIds) => {
        for (const deviceId of deviceIds) await this.#delete(userId, deviceId);
      }),
      this.devices.onUpdated(async (userId, deviceIds) => {
        for (const deviceId of deviceIds) {
          // Others see a device once it has keys.
          if ((await this.keys.device(this.db, userId, deviceId)) !== undefined) await this.deviceLists.deviceChanged(userId, deviceId);
        }
      }),
    );
  }

  /** Devices whose deletion was cut short by the end of the process. */
  async onApplicationBootstrap(): Promise<void> {
    for (const { userId, deviceId } of await this.keys.orphans()) await this.#delete(userId, deviceId);
  }

  onModuleDestroy(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  async #delete(userId: string, deviceId: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.oneTimeKeyStore.deleteDevice(tx, userId, deviceId);
      await this.inbox.deleteDevice(tx, userId, deviceId);
      tx.afterCommit(() => this.oneTimeKeys.changed(userId, deviceId));
    });
    if ((await this.keys.device(this.db, userId, deviceId)) === undefined) return;
    await this.deviceLists.deviceChanged(userId, deviceId, async (tx) => {
      await this.keys.deleteDevice(tx, userId, deviceId);
    });
  }
}
