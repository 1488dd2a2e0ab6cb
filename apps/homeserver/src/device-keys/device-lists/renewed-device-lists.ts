import { Injectable, type OnModuleInit } from '@nestjs/common';
import { RestoreTasks } from '../../storage/restore-tasks.js';
import { DeviceListStore } from './device-list.store.js';
import { DeviceLists } from './device-lists.js';
import { RemoteDeviceListStore } from './remote-device-list.store.js';

/** Accounts at a time: they share few commits. */
const PAGE = 100;

/**
 * After a restore: what this server knows of others' devices may lack updates that it had acknowledged, and what others know of
 * the devices here may be of a history that was lost.
 */
@Injectable()
export class RenewedDeviceLists implements OnModuleInit {
  constructor(
    private readonly restores: RestoreTasks,
    private readonly own: DeviceListStore,
    private readonly remote: RemoteDeviceListStore,
    private readonly lists: DeviceLists,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.restores.register('remote-device-lists', () => everyPage(
      (after) => this.remote.some(after, PAGE),
      async (userId) => this.lists.remoteChanged(userId, await this.lists.localSharers(userId), (tx) => this.remote.markStale(tx, userId)),
    ), { background: true });
    await this.restores.register('device-lists', () => everyPage(
      (after) => this.own.withDevices(after, PAGE), (userId) => this.lists.allChanged(userId),
    ), { background: true });
  }
}

async function everyPage(page: (after: string) => Promise<string[]>, work: (userId: string) => Promise<void>): Promise<void> {
  for (let users = await page(''); users.length > 0; users = await page(users.at(-1)!)) await Promise.all(users.map(work));
}
