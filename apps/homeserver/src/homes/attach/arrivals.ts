import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Config } from '../../config/config.js';
import { Receipts } from '../../ephemeral/receipts.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { atMost } from '../../observability/at-most.js';
import { Clock } from '../../observability/clock.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Log } from '../../observability/log.js';
import { AccountCopies } from '../ops/account-copies.js';
import { AccountArrival, type ArrivalSteps } from './account-arrival.js';
import { ArrivalsStore, type ArrivalRoom } from './arrivals.store.js';
import { ReplicaComparison } from './replica-comparison.js';
import { RoomAttacher } from './room-attacher.js';

/** Rooms and lists at once from servers that answer. */
const CONCURRENCY = 16;
/** Of one account, rooms that wait for their turn; few of each while many accounts move. */
const MAX_WAITING = 200;
const MAX_WAITING_IN_CROWD = 4;
const CROWD = 5_000;
/** Rooms of one account that are not here yet, and bytes of their ids and servers: those that homes name, and those that clients do. */
const MAX_ROOMS = 10_000;
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_NAMED_BYTES = 1024 * 1024;
const MAX_VIA = 20;
/** Events that a client has seen, of each room. */
const MAX_SEEN = 20;
/** A room holds its place among those that are being brought for at most so long. */
const HOLD_MS = 15_000;
/** Waits for what is being done when the server stops; a silent server is not waited for. */
const STOP_MS = 3_000;
/** Servers that come back together are looked for together. */
const ALIVE_MS = 100;

/** Servers by room id. */
export type RoomServers = ReadonlyMap<string, readonly string[]>;

/**
 * Accounts that move in: their data comes from a living home, their rooms through any replica. What is left to do is in the
 * database, so that it goes on after a restart; failures are tried again ever more rarely, and when a server comes back. Each
 * account moves by itself; what they do at once is shared out fairly among them and the servers that they wait for.
 */
@Injectable()
export class Arrivals implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #moves = new Map<string, AccountArrival>();
  readonly #slots = new FairSlots(fairLimits(CONCURRENCY, { perDestination: CONCURRENCY / 2, waiting: 50_000 }));
  readonly #adding = new KeyedQueue();
  readonly #alive = new Set<string>();
  #aliveTimer: NodeJS.Timeout | undefined;
  #starting: Promise<void> | undefined;
  #stopped = false;
  readonly #unsubscribe: () => void;

  constructor(
    private readonly store: ArrivalsStore,
    private readonly attacher: RoomAttacher,
    private readonly comparison: ReplicaComparison,
    private readonly copies: AccountCopies,
    private readonly receipts: Receipts,
    private readonly directory: AccountDirectory,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly destinations: Destinations,
  ) {
    this.#unsubscribe = destinations.onAlive((server) => {
      this.#alive.add(server);
      this.#aliveTimer ??= setTimeout(() => void this.#retryAlive(), ALIVE_MS).unref();
    });
  }

  onApplicationBootstrap(): void {
    this.#slots.learnFrom(this.destinations);
    this.#starting = this.store.unfinished().then((users) => {
      for (const userId of users) this.#wake(userId, true);
    }, (error: unknown) => this.#fail(error));
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    clearTimeout(this.#aliveTimer);
    await this.#starting;
    for (const move of this.#moves.values()) move.stop();
    await atMost(Promise.allSettled([...this.#moves.values()].flatMap((move) => move.running())), STOP_MS, []);
  }

  /** An account has come to live here. `sources` are its other homes, past and present; `rooms` what is known already. */
  async begin(userId: string, sources: readonly string[], rooms: RoomServers): Promise<void> {
    await this.store.begin(userId, sources, this.clock.now());
    await this.addRooms(userId, rooms);
    this.#wake(userId, true);
  }

  /** Rooms in which the account is joined, as its homes tell, and that this server may not have. */
  async addRooms(userId: string, rooms: RoomServers): Promise<void> {
    await this.#add(userId, rooms, false);
  }

  /**
   * Rooms as a client names them.
   *
   * @returns how many were left out because too much of what clients named of this account is not here yet
   */
  async nameRooms(userId: string, rooms: RoomServers): Promise<number> {
    return this.#add(userId, rooms, true);
  }

  /** Events that a client has seen, by room, in place of what clients named before; what goes beyond the bounds is left out. */
  async nameSeen(userId: string, rooms: ReadonlyMap<string, readonly string[]>): Promise<void> {
    if (rooms.size === 0) return;
    await this.#adding.run(userId, async () => {
      const taken = new Map<string, string[]>();
      let bytes = 0;
      for (const [roomId, events] of rooms) {
        const ids = [...new Set(events)].slice(-MAX_SEEN);
        bytes += ids.reduce((sum, id) => sum + id.length, roomId.length);
        if (taken.size >= MAX_ROOMS || bytes > MAX_NAMED_BYTES) break;
        taken.set(roomId, ids);
      }
      await this.store.setSeen(userId, taken);
    });
  }

  async forget(userId: string): Promise<void> {
    this.#moves.get(userId)?.stop();
    this.#moves.delete(userId);
    await this.store.forget(userId);
  }

  /** Resolves when nothing is being done; what failed waits for its next attempt. */
  async idle(): Promise<void> {
    await this.#starting;
    for (;;) {
      const running = [...this.#moves.values()].flatMap((move) => move.running());
      if (running.length === 0) return;
      await Promise.allSettled(running);
    }
  }

  #add(userId: string, rooms: RoomServers, isNamed: boolean): Promise<number> {
    if (rooms.size === 0) return Promise.resolve(0);
    return this.#adding.run(userId, async () => {
      const held = await this.store.open(userId, isNamed);
      const taken = new Map<string, string[]>();
      let { bytes } = held;
      for (const [roomId, via] of rooms) {
        const servers = [...new Set(via)].slice(0, MAX_VIA);
        bytes += servers.reduce((sum, server) => sum + server.length, roomId.length);
        if (held.rooms + taken.size >= MAX_ROOMS || bytes > (isNamed ? MAX_NAMED_BYTES : MAX_BYTES)) break;
        taken.set(roomId, servers);
      }
      await this.store.addRooms(userId, taken, isNamed);
      this.#wake(userId, false);
      return rooms.size - taken.size;
    });
  }

  #wake(userId: string, isNews: boolean): void {
    if (this.#stopped) return;
    let move = this.#moves.get(userId);
    if (!move) {
      const made: AccountArrival = new AccountArrival(this.#stepsOf(userId), () => this.clock.steady(), (isOver) => {
        if (isOver && this.#moves.get(userId) === made) this.#moves.delete(userId);
      }, (error) => this.#fail(error));
      this.#moves.set(userId, (move = made));
    }
    move.wake(isNews);
  }

  #stepsOf(userId: string): ArrivalSteps {
    return {
      sources: async () => this.#livingFirst(await this.store.sources(userId)),
      list: (source) => this.#slots.run({ account: userId, destination: source }, () => this.#list(userId, source)),
      due: (except) => {
        const limit = (this.#slots.waiting > CROWD ? MAX_WAITING_IN_CROWD : MAX_WAITING) - except.length;
        return limit > 0 ? this.store.due(userId, this.clock.steady(), except, limit) : Promise.resolve([]);
      },
      attach: (room) => this.#attach(userId, room),
      failed: (room, delayMs, error) => {
        this.log.info('a room could not be attached', { userId, roomId: room.roomId, reason: String(error) });
        return this.store.failed(userId, room.roomId, this.clock.steady() + delayMs, String(error).slice(0, 500));
      },
      untilNext: async () => {
        const now = this.clock.steady();
        const next = await this.store.nextRetry(userId, now);
        return next === null ? null : next - now;
      },
    };
  }

  async #list(userId: string, source: string): Promise<void> {
    try {
      const rooms = await this.copies.take(userId, source);
      await this.addRooms(userId, rooms);
      await this.store.listed(userId);
    } catch (error) {
      this.log.debug('a home did not hand over an account', { source, reason: String(error) });
      throw error;
    }
  }

  async #attach(userId: string, { roomId, via, seen }: ArrivalRoom): Promise<void> {
    const servers = this.#livingFirst(via);
    let work: Promise<void> = Promise.resolve();
    await this.#slots.run({ account: userId, destination: servers[0] }, async () => {
      work = this.#attachNow(userId, roomId, servers, seen);
      // Asking silent replicas one after the other takes minutes; the place is another's by then.
      await atMost(work.catch(() => undefined), HOLD_MS, undefined);
    });
    await work;
  }

  async #attachNow(userId: string, roomId: string, servers: readonly string[], seen: readonly string[]): Promise<void> {
    if (this.#stopped) return;
    if (!this.directory.has(userId)) return this.forget(userId);
    const told: ReadonlyMap<string, string>[] = [];
    const entered = await this.attacher.attach(userId, roomId, servers, seen, (read) => told.push(read));
    if (entered) await this.comparison.begin(userId, roomId, entered.eventId, entered.servers);
    await this.receipts.roomArrived(userId, roomId, told);
    await this.store.ready(userId, roomId);
  }

  #livingFirst(servers: readonly string[]): string[] {
    const others = servers.filter((name) => name !== this.config.serverName);
    return others.sort((one, other) => Math.min(1, this.destinations.failures(one)) - Math.min(1, this.destinations.failures(other)));
  }

  async #retryAlive(): Promise<void> {
    this.#aliveTimer = undefined;
    const servers = [...this.#alive];
    this.#alive.clear();
    await this.store.retry(servers).then((users) => {
      for (const userId of users) this.#wake(userId, true);
    }, (error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (!this.#stopped) this.log.error('arrivals failed', error);
  }
}
