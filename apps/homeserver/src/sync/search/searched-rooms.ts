import { Injectable } from '@nestjs/common';
import { Memberships } from '../../rooms/membership/memberships.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import type { EventMatcher } from '../filter/event-matcher.js';

/** Rooms before a room, each replaced by the next, that are looked into with it. */
const MAX_PREDECESSORS = 20;
const READABLE: ReadonlySet<string> = new Set(['join', 'leave', 'ban']);

/** In which rooms somebody searches: in those where he is or was and that his filter lets through, and in the ones that these replaced. */
@Injectable()
export class SearchedRooms {
  constructor(
    private readonly memberships: Memberships,
    private readonly registry: RoomRegistry,
  ) {}

  /** By numeric id. */
  async of(userId: string, matcher: EventMatcher): Promise<Map<number, RoomMembership>> {
    const rooms = await this.memberships.roomsOf(userId);
    const searched = new Map<number, RoomMembership>();
    const add = (room: RoomMembership | undefined): boolean => {
      if (!room || searched.has(room.roomNid) || !READABLE.has(room.membership) || matcher.filter.not_rooms?.includes(room.roomId)) return false;
      searched.set(room.roomNid, room);
      return true;
    };
    const named = matcher.filter.rooms;
    if (!named) for (const room of rooms.values()) add(room);
    for (const roomId of named ?? []) {
      let room = rooms.get(roomId);
      for (let step = 0; room && add(room) && step < MAX_PREDECESSORS; step++) room = rooms.get((await this.#predecessorOf(room.roomId)) ?? '');
    }
    return searched;
  }

  async #predecessorOf(roomId: string): Promise<string | undefined> {
    const { predecessor } = (await this.registry.find(roomId))?.state.get('m.room.create', '')?.pdu.content ?? {};
    const before = typeof predecessor === 'object' && predecessor !== null && !Array.isArray(predecessor) ? predecessor['room_id'] : undefined;
    return typeof before === 'string' ? before : undefined;
  }
}
