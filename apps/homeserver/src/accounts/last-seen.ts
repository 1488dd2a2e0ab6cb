import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../observability/clock.js';
import { Log } from '../observability/log.js';
import { DeviceStore, type Sighting } from './device.store.js';

const FLUSH_EVERY_MS = 60_000;
/** Devices that wait to be written; beyond, sightings are dropped until the next flush. */
const MAX_PENDING = 20_000;

/** Collects when devices were last used: in memory, written once a minute in one statement. A crash loses a minute of it. */
@Injectable()
export class LastSeen implements OnModuleInit, OnModuleDestroy {
  readonly #pending = new Map<string, Sighting>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: DeviceStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.#timer = setInterval(() => void this.flush(), FLUSH_EVERY_MS);
    this.#timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  touch(userId: string, deviceId: string, ip: string, userAgent: string | undefined): void {
    const key = `${userId}\0${deviceId}`;
    if (this.#pending.size >= MAX_PENDING && !this.#pending.has(key)) return;
    // A header may hold what PostgreSQL cannot store.
    const agent = userAgent === undefined ? null : userAgent.slice(0, 512).replaceAll('\0', '');
    this.#pending.set(key, { userId, deviceId, ts: this.clock.now(), ip, userAgent: agent });
  }

  /** What is not written yet of a device. */
  of(userId: string, deviceId: string): Sighting | undefined {
    return this.#pending.get(`${userId}\0${deviceId}`);
  }

  async flush(): Promise<void> {
    if (this.#pending.size === 0) return;
    const sightings = [...this.#pending.values()];
    this.#pending.clear();
    try {
      await this.store.touch(sightings);
    } catch (error) {
      this.log.error('could not store when devices were last seen', error, { devices: sightings.length });
    }
  }
}
