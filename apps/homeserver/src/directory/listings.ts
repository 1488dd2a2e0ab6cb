import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Bus } from '../bus/bus.js';
import { Log } from '../observability/log.js';
import { RoomRegistry } from '../rooms/room-registry.js';
import type { RoomView } from '../rooms/room-view.js';
import { RoomSuccessions } from '../rooms/upgrades/room-successions.js';
import { Database, statement } from '../storage/database.js';
import { StreamPositions } from '../storage/stream-positions.js';
import { ListedRoom } from './listed-room.entity.js';
import { summaryOf } from './room-summary.js';

const stale = statement(
  'listed_rooms.stale',
  'SELECT room_id FROM listed_rooms l WHERE EXISTS (SELECT 1 FROM state_deltas d WHERE d.room_nid = l.room_nid AND d.pos > l.pos)',
);

/** Keeps what the directory shows as the rooms are: one room after the other, some time after they have changed. */
@Injectable()
export class Listings implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #listed = new Set<string>();
  readonly #changed = new Set<string>();
  #running: Promise<void> | undefined;
  #isStopped = false;
  #unsubscribe = (): void => undefined;

  constructor(
    private readonly db: Database,
    private readonly registry: RoomRegistry,
    private readonly successions: RoomSuccessions,
    private readonly positions: StreamPositions,
    private readonly bus: Bus,
    private readonly log: Log,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    for (const { roomId } of await this.db.repository(ListedRoom).find({ select: { roomId: true } })) this.#listed.add(roomId);
    this.#unsubscribe = this.bus.subscribe((message) => {
      if (message.kind !== 'room' || !this.#listed.has(message.roomId)) return;
      if (message.membershipChanges.length > 0 || message.events.some(({ event }) => event.pdu.state_key !== undefined)) this.#hasChanged(message.roomId);
    });
    this.successions.onSucceeded(async (former, successor) => {
      if (!this.#listed.has(former.id)) return;
      await this.add(successor);
      await this.remove(former);
    });
    // Changes that were not in when the process ended.
    for (const { room_id: roomId } of await this.db.query<{ room_id: string }>(stale)) this.#hasChanged(roomId);
  }

  async onModuleDestroy(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    await this.#running;
  }

  async add(room: RoomView): Promise<void> {
    this.#listed.add(room.id);
    await this.db.transaction((tx) => tx.repository(ListedRoom).upsert(this.#row(room), ['roomNid']));
  }

  async remove(room: RoomView): Promise<void> {
    this.#listed.delete(room.id);
    await this.db.transaction((tx) => tx.repository(ListedRoom).delete({ roomNid: room.nid }));
  }

  #hasChanged(roomId: string): void {
    this.#changed.add(roomId);
    this.#running ??= this.#work();
  }

  async #work(): Promise<void> {
    for (const roomId of this.#changed) {
      if (this.#isStopped) break;
      this.#changed.delete(roomId);
      try {
        const room = await this.registry.find(roomId);
        // In the room's own turn: by then its state holds what was committed.
        const row = await room?.run(() => (room.state.isResident ? this.#row(room) : null));
        // A room that this server has left it knows nothing of any more.
        if (row === null) await this.remove(room!);
        // An update, so that a room that was taken off the list meanwhile stays off.
        else if (row) await this.db.transaction((tx) => tx.repository(ListedRoom).update({ roomNid: row.roomNid }, row));
      } catch (error) {
        this.log.error('the directory could not be brought up to date', error, { roomId });
      }
    }
    // At once, so that nothing that changes from now on is left lying.
    this.#running = undefined;
  }

  #row(room: RoomView): ListedRoom {
    const pos = this.positions.current('events');
    const shown = summaryOf(room);
    const { name = '', topic = '', canonical_alias: alias = '', room_type: roomType = null } = shown;
    return { roomNid: room.nid, roomId: room.id, members: shown.num_joined_members, roomType, search: `${name}\n${topic}\n${alias}`.toLowerCase(), shown: JSON.stringify(shown), pos };
  }
}
