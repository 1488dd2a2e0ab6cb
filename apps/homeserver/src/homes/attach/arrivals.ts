import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Receipts } from '../../ephemeral/receipts.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { AccountCopies } from '../ops/account-copies.js';
import { ArrivalsStore, type ArrivalRoom } from './arrivals.store.js';
import { RoomAttacher } from './room-attacher.js';

const CONCURRENCY = 4;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 10 * 60_000;
const MAX_ROOMS = 10_000;
const MAX_VIA = 20;

/** Servers by room id, bounded. */
export type RoomServers = ReadonlyMap<string, readonly string[]>;

/**
 * Accounts that move in: their data comes from a living home, their rooms through any replica. What is left to do is in the
 * database, so that it goes on after a restart; failures are tried again ever more rarely, and when a server comes back.
 */
@Injectable()
export class Arrivals implements OnApplicationBootstrap, OnModuleDestroy {
  #running: Promise<void> | null = null;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #listFailures = 0;
  readonly #unsubscribe: () => void;

  constructor(
    private readonly store: ArrivalsStore,
    private readonly attacher: RoomAttacher,
    private readonly copies: AccountCopies,
    private readonly receipts: Receipts,
    private readonly directory: AccountDirectory,
    private readonly clock: Clock,
    private readonly log: Log,
    destinations: Destinations,
  ) {
    this.#unsubscribe = destinations.onAlive((server) => {
      this.#listFailures = 0;
      this.store.retry(server).then(() => this.#wake(), (error: unknown) => this.log.error('arrivals could not be woken', error));
    });
  }

  onApplicationBootstrap(): void {
    this.#wake();
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** An account has come to live here. `sources` are its other homes, past and present; `rooms` what its client knows. */
  async begin(userId: string, sources: readonly string[], rooms: RoomServers): Promise<void> {
    await this.store.begin(userId, sources, this.clock.now());
    await this.addRooms(userId, rooms);
    this.#wake();
  }

  /** A room in which the account is joined and that this server may not have. */
  async addRooms(userId: string, rooms: RoomServers): Promise<void> {
    if (rooms.size === 0) return;
    const bounded = [...rooms].slice(0, MAX_ROOMS).map(([roomId, via]): [string, string[]] => [roomId, [...new Set(via)].slice(0, MAX_VIA)]);
    await this.store.addRooms(userId, new Map(bounded));
    this.#wake();
  }

  async forget(userId: string): Promise<void> {
    await this.store.forget(userId);
  }

  /** Resolves when nothing is being done; what failed waits for its next attempt. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #wake(): void {
    if (this.#stopped) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#running = this.#work()
      .catch((error: unknown) => {
        if (!this.#stopped) this.log.error('arrivals failed', error);
        return FIRST_RETRY_MS;
      })
      .then((waitMs) => {
        this.#running = null;
        if (this.#stopped) return;
        if (this.#again) {
          this.#again = false;
          this.#wake();
        } else if (waitMs !== null) {
          this.#timer = setTimeout(() => this.#wake(), waitMs).unref();
        }
      });
  }

  /** @returns milliseconds until there is something to do again; null when nothing is left */
  async #work(): Promise<number | null> {
    let allListed = true;
    for (const { userId, sources } of await this.store.unlisted()) {
      if (this.#stopped) return null;
      if (!(await this.#list(userId, sources))) allListed = false;
    }
    this.#listFailures = allListed ? 0 : this.#listFailures + 1;
    for (;;) {
      const rooms = await this.store.due(this.clock.now(), 50);
      if (rooms.length === 0 || this.#stopped) break;
      await this.#attachAll(rooms);
    }
    const next = await this.store.nextRetry();
    const waits = [
      ...(next === null ? [] : [Math.max(FIRST_RETRY_MS / 10, next - this.clock.now())]),
      ...(allListed ? [] : [backOff(this.#listFailures)]),
    ];
    return waits.length === 0 ? null : Math.min(...waits, MAX_RETRY_MS);
  }

  async #list(userId: string, sources: readonly string[]): Promise<boolean> {
    for (const source of sources) {
      try {
        const rooms = await this.copies.take(userId, source);
        await this.store.addRooms(userId, rooms);
        await this.store.listed(userId);
        return true;
      } catch (error) {
        this.log.debug('a home did not hand over an account', { source, reason: String(error) });
      }
    }
    return false;
  }

  async #attachAll(rooms: readonly ArrivalRoom[]): Promise<void> {
    const queue = [...rooms];
    const worker = async (): Promise<void> => {
      for (let room = queue.shift(); room && !this.#stopped; room = queue.shift()) await this.#attach(room);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  async #attach({ userId, roomId, via, attempts }: ArrivalRoom): Promise<void> {
    if (!this.directory.has(userId)) return this.store.forget(userId);
    try {
      await this.attacher.attach(userId, roomId, via);
      await this.receipts.roomArrived(userId, roomId);
      await this.store.ready(userId, roomId);
    } catch (error) {
      if (this.#stopped) return;
      this.log.info('a room could not be attached', { userId, roomId, reason: String(error) });
      await this.store.failed(userId, roomId, this.clock.now() + backOff(attempts + 1), String(error).slice(0, 500));
    }
  }
}

function backOff(failures: number): number {
  return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20));
}
