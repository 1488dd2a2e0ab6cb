import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Clock } from '../observability/clock.js';
import { Log } from '../observability/log.js';
import { AccountOps } from './account-ops.js';
import { RemovedDeviceStore } from './removed-device.store.js';

const KEPT_MS = 90 * 24 * 3_600_000;
const PURGE_EVERY_MS = 6 * 3_600_000;

/** Forgets removals of devices when they are old and every home of the account knows them (protocol §4, "Devices"). */
@Injectable()
export class RemovedDevices implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: RemovedDeviceStore,
    private readonly ops: AccountOps,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => {
      this.purge().catch((error: unknown) => this.log.error('old removals of devices could not be dropped', error));
    }, PURGE_EVERY_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  async purge(): Promise<void> {
    const before = this.clock.now() - KEPT_MS;
    const known: string[] = [];
    for (const userId of await this.store.usersBefore(before)) if (await this.ops.isEverywhere(userId)) known.push(userId);
    if (known.length > 0) await this.store.forget(known, before);
  }
}
