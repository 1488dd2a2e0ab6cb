import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Bus, type RoomCommitted } from '../../bus/bus.js';
import { Config } from '../../config/config.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { DueRows } from '../../storage/due-rows.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { RoomRegistry } from '../room-registry.js';
import { lifetimeOf } from './lifetime-of.js';
import { type RetentionRoom, RetentionStore } from './retention.store.js';

const BATCH = 200;
const RETENTION_TYPE = 'm.room.retention';
/** Rooms are looked at so often anyway: only what expires sooner is waited for from the moment it is sent. */
const LOOK_MS = 60_000;

/** Purges messages when they have expired, in every room that this server has: each replica by the same rule, from the same events. */
@Injectable()
export class ExpiredMessages implements OnApplicationBootstrap, OnModuleDestroy {
  /** Rooms whose messages expire soon after they were sent, and that have none now. */
  readonly #idle = new Set<number>();
  readonly #due: DueRows;
  #unsubscribe = (): void => undefined;

  constructor(
    private readonly store: RetentionStore,
    private readonly registry: RoomRegistry,
    private readonly config: Config,
    private readonly positions: StreamPositions,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.#due = new DueRows(() => this.#look(), () => clock.now(), (error) => log.error('expired messages could not be purged', error));
  }

  onApplicationBootstrap(): void {
    this.#unsubscribe = this.bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      if (this.#concerns(message)) this.#due.wake();
      // The state of a room that comes here is no news of its timeline.
      else if (message.hasHistory || message.membershipChanges.some((change) => change.isLocal && change.membership === 'join')) this.#arrived(message.roomId);
    });
    this.#due.wake();
  }

  async onModuleDestroy(): Promise<void> {
    this.#unsubscribe();
    await this.#due.stop();
  }

  #concerns({ events, roomNid, hasHistory }: RoomCommitted): boolean {
    if (events.some(({ event: { pdu } }) => pdu.type === RETENTION_TYPE && pdu.state_key === '')) return true;
    return (events.length > 0 || hasHistory) && this.#idle.has(roomNid);
  }

  #arrived(roomId: string): void {
    const looked = this.registry.find(roomId).then((room) => room?.run(() => {
      if (room.state.entry(RETENTION_TYPE, '')) this.#due.wake();
    }));
    looked.catch((error: unknown) => this.log.debug('whether messages of a room expire is looked up later', { roomId, reason: String(error) }));
  }

  /** @returns when the next message expires, or the rooms are looked at again */
  async #look(): Promise<number> {
    const { retention } = this.config;
    this.#idle.clear();
    let next = this.clock.now() + LOOK_MS;
    for (const room of await this.store.rooms(retention.lifetime !== null)) {
      if (this.#due.stopped) break;
      const lifetime = lifetimeOf(room.content, retention);
      if (lifetime === null) continue;
      if (room.oldest === null && lifetime <= LOOK_MS) this.#idle.add(room.roomNid);
      if (room.oldest === null) continue;
      if (room.oldest + lifetime <= this.clock.now()) {
        await this.#purge(room, lifetime);
        // What is left, and what has come meanwhile.
        next = this.clock.now();
      } else next = Math.min(next, room.oldest + lifetime);
    }
    return next;
  }

  async #purge(room: RetentionRoom, lifetime: number): Promise<void> {
    let isLast = false;
    while (!isLast && !this.#due.stopped) {
      const { purged, related } = await this.store.purge(room, this.clock.now() - lifetime, BATCH);
      if (purged.length > 0) this.#tell(room, purged, related);
      isLast = purged.length < BATCH;
    }
  }

  /** Whoever has the events in memory has them no longer. */
  #tell({ roomId, roomNid }: RetentionRoom, redacted: readonly string[], related: readonly string[]): void {
    this.bus.publish({
      kind: 'room', roomId, roomNid, redacted, related, events: [], resent: [], users: [], membershipChanges: [], hasHistory: false, pos: this.positions.current('events'),
    });
  }
}
