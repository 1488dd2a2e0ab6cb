import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { AccountOps, type RemoteChange } from '../../accounts/account-ops.js';
import { Devices } from '../../accounts/devices.js';
import { pusherChange, readPusherChange } from './pusher-content.js';
import { Pushers } from './pushers.js';
import { PushersStore } from './pushers.store.js';

/** Pushers between the homes of an account (protocol §4, kind `pusher`), and with the devices that set them. */
@Injectable()
export class PusherReplication implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  readonly #unsubscribe: () => void;

  constructor(
    private readonly ops: AccountOps,
    private readonly pushers: Pushers,
    private readonly store: PushersStore,
    devices: Devices,
  ) {
    this.#unsubscribe = devices.onDeleted((userId, deviceIds) => this.pushers.removeOfDevices(userId, deviceIds));
  }

  onModuleInit(): void {
    this.ops.register('pusher', {
      merge: 'last-writer',
      apply: (change) => this.#apply(change),
      snapshot: async (userId) => (await this.pushers.ofUser(userId)).map(pusherChange),
    });
  }

  /** Pushers whose removal was cut short by the end of the process. */
  async onApplicationBootstrap(): Promise<void> {
    for (const orphan of await this.store.orphans()) await this.pushers.remove(orphan.userId, [orphan]);
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  async #apply({ userId, key, value }: RemoteChange): Promise<void> {
    const told = readPusherChange({ key, value });
    if (!told) return;
    const { name, content } = told;
    if (content === null) await this.pushers.removeTold(userId, name);
    else await this.pushers.setTold(userId, content);
  }
}
