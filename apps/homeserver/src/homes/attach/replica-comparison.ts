import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { Log } from '../../observability/log.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { SnapshotsStore } from '../../rooms/state/snapshots.store.js';
import { StateResolver } from '../../rooms/state/state-resolver.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { ComparisonsStore } from './comparisons.store.js';
import { stateHash } from './state-hash.js';

/** The event by which this server entered has to arrive there first. */
const FIRST_MS = 1_000;
const MAX_PAUSE_MS = 3_600_000;
/** 1, 2, 4… s, then hours: about half a day. After that the replicas stay named until the room is brought again. */
const MAX_ATTEMPTS = 20;
const TIMEOUT_MS = 30_000;
/** Replicas of one room that are compared. */
const MAX_REPLICAS = 50;

/**
 * Compares the state upon which this server entered a room with what every replica has before that event, until they are equal
 * (protocol §3, "Moving in"): one that was silent then, or has something else, is named to the owner. It is in the database, and
 * goes on after a restart.
 */
@Injectable()
export class ReplicaComparison implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #slots = new FairSlots(fairLimits(8, { waiting: Infinity, waitingPerAccount: Infinity }));
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #working = new Set<Promise<void>>();
  #stopped = false;

  constructor(
    private readonly federation: FederationClient,
    private readonly store: ComparisonsStore,
    private readonly registry: RoomRegistry,
    private readonly events: EventsStore,
    private readonly snapshots: SnapshotsStore,
    private readonly resolver: StateResolver,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    const loaded = this.store.open()
      .then((open) => {
        for (const { userId, roomId } of open) this.#later(userId, roomId, 0);
      }, (error: unknown) => this.log.error('comparisons of replicas could not be read', error))
      .then(() => void this.#working.delete(loaded));
    this.#working.add(loaded);
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all(this.#working);
  }

  /** The account has entered the room by this event; the servers hold the room, too. */
  async begin(userId: string, roomId: string, eventId: string, servers: readonly string[]): Promise<void> {
    await this.store.begin(userId, roomId, eventId, servers.slice(0, MAX_REPLICAS));
    if (servers.length > 0) this.#later(userId, roomId, 0);
  }

  #later(userId: string, roomId: string, attempt: number): void {
    const key = `${userId} ${roomId}`;
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (this.#stopped || attempt >= MAX_ATTEMPTS) return;
    this.#timers.set(key, setTimeout(() => {
      this.#timers.delete(key);
      const work = this.#compare(userId, roomId)
        .catch((error: unknown) => {
          if (!this.#stopped) this.log.error('replicas could not be compared', error, { roomId });
          return false;
        })
        .then((isDone) => {
          this.#working.delete(work);
          if (!isDone) this.#later(userId, roomId, attempt + 1);
        });
      this.#working.add(work);
    }, Math.min(MAX_PAUSE_MS, FIRST_MS * 2 ** attempt)).unref());
  }

  /** @returns whether nothing is left to compare */
  async #compare(userId: string, roomId: string): Promise<boolean> {
    const item = await this.store.get(userId, roomId);
    const own = item && (await this.#ownHash(roomId, item.eventId));
    if (!item || own === null) return true;
    const apart: string[] = [];
    const silent: string[] = [];
    await Promise.all([...new Set([...item.unconfirmed, ...item.apart])].map(async (server) => {
      const its = await this.#slots.run({ account: userId, destination: server }, () => this.#hashAt(server, roomId, item.eventId));
      if (its === null) silent.push(server);
      else if (its !== own) apart.push(server);
    }));
    if (this.#stopped) return true;
    await this.store.found(item, silent, apart);
    return silent.length + apart.length === 0;
  }

  async #ownHash(roomId: string, eventId: string): Promise<string | null> {
    const [room, stored] = [await this.registry.find(roomId), await this.events.byId(roomId, eventId)];
    if (!room || !stored || stored.stateNid === null) return null;
    const state = (await this.snapshots.load(stored.stateNid)).toMap();
    const entries = await this.resolver.entries(room, state.values(), new Map());
    return stateHash([...entries.values()].map(({ event }) => event.eventId));
  }

  /** Null while the server is silent, or has not got the event. */
  async #hashAt(destination: string, roomId: string, eventId: string): Promise<string | null> {
    if (this.#stopped) return null;
    try {
      const path = federationPath`/_matrix/federation/v1/state_ids/${roomId}`;
      const { pdu_ids: ids } = await this.federation.request<{ pdu_ids?: unknown }>({ destination, method: 'GET', path, query: { event_id: eventId }, timeoutMs: TIMEOUT_MS });
      return Array.isArray(ids) ? stateHash(ids.filter((id) => typeof id === 'string')) : null;
    } catch (error) {
      this.log.debug('a replica could not be compared', { destination, roomId, reason: String(error) });
      return null;
    }
  }
}

