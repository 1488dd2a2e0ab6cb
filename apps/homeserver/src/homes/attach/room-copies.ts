import { Injectable } from '@nestjs/common';
import { mayFollow, recordOf, type HomeRecord } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { isAllowedByAcl } from '../../rooms/remote/server-acl.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import type { Room } from '../../rooms/room.js';
import { membershipOf } from '../../rooms/state/room-state.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { HomeRecords } from '../records/home-records.js';

export interface CopyRequest {
  readonly origin: string;
  readonly roomId: string;
  readonly userId: string;
  /** The account's highest record, where this server may not know it: an emergency home's is newer than the room's. */
  readonly record?: unknown;
  /** Only the newest events, for who has the room and may have missed some while it came. */
  readonly endsOnly: boolean;
}

/** Hands copies of rooms to new homes of their members (protocol §3, "Adding a home"). */
@Injectable()
export class RoomCopies {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly records: HomeRecords,
    private readonly events: EventsStore,
  ) {}

  /**
   * @returns JSON text: `room_version`, `ends` (event ids and depths of the forward extremities), `pdus` (the same as events),
   *   `servers`, and unless `endsOnly` the current `state` and its `auth_chain`
   * @throws MatrixError 403 `M_FORBIDDEN` unless the origin is a home, by the highest record, of a joined member; 404 `M_NOT_FOUND`
   */
  async copy(request: CopyRequest): Promise<string> {
    const { origin, roomId, userId } = request;
    if (request.record !== undefined) await this.#take(userId, request.record);
    const room = await this.registry.find(roomId);
    if (!room?.state.isResident) throw MatrixError.notFound('This server does not hold the room');
    this.#authorise(room, origin, userId, await this.records.get(userId));
    // Both of one moment: nothing is awaited between.
    const ends = room.extremities.map(({ eventId, depth }) => ({ event_id: eventId, depth }));
    const state = request.endsOnly ? null : [...room.state.entries()].map(([, { event }]) => event);
    const head = {
      room_version: room.rules.id,
      ends,
      servers: [room.state.serverName, ...room.state.otherServers],
    };
    const newest = await this.events.byIds(ends.map((end) => end.event_id));
    const members = [`"pdus":${list(newest.map((stored) => stored.event))}`];
    if (state) {
      const chain = await this.events.authChain(state, new Map(state.map((event) => [event.eventId, event])));
      for (const event of state) chain.delete(event.eventId);
      members.push(`"state":${list(state)}`);
      members.push(`"auth_chain":${list([...chain.values()].map((item) => ('nid' in item ? item.event : item)))}`);
    }
    return `${JSON.stringify(head).slice(0, -1)},${members.join(',')}}`;
  }

  async #take(userId: string, value: unknown): Promise<void> {
    if ((value as { user_id?: unknown } | null)?.user_id !== userId) throw MatrixError.badJson('The record is of another account');
    await this.records.accept(value);
  }

  #authorise(room: Room, origin: string, userId: string, record: HomeRecord | undefined): void {
    if (!room.rules.portable) throw MatrixError.forbidden('Only portable rooms can be attached to');
    if (!isAllowedByAcl(room.state, origin)) throw MatrixError.forbidden(`${origin} is not allowed in this room`);
    const member = room.state.get('m.room.member', userId);
    if (membershipOf(member) !== 'join') throw MatrixError.forbidden('The account is not in this room');
    // The record must continue the one that the room knows: a name alone says nothing about who bears it now.
    const isHome = record?.homes.some((home) => home.server_name === origin) && mayFollow(recordOf(member), record);
    if (!isHome) throw MatrixError.forbidden(`${origin} is no home of the account`);
  }
}

function list(events: readonly { json: string }[]): string {
  return `[${events.map((event) => event.json).join(',')}]`;
}
