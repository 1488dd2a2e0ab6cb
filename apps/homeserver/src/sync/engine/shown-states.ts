import { Injectable } from '@nestjs/common';
import { strippedStateJson } from '#federation';
import { parseStoredJson } from '#json';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { RoomRowsStore } from '../rooms/room-rows.store.js';
import { SyncEvents } from '../rooms/sync-events.js';

/** What is shown of rooms in which the reader is not: those that it is invited to, or knocks on. Two reads, whatever their number. */
@Injectable()
export class ShownStates {
  constructor(
    private readonly rows: RoomRowsStore,
    private readonly events: SyncEvents,
  ) {}

  /** By number of the room: stripped state events, the reader's own member event among them, as JSON text of an array. */
  async of(userId: string, rooms: readonly RoomMembership[]): Promise<Map<number, string>> {
    const stripped = await this.rows.strippedState(userId, rooms.map((room) => room.roomNid));
    const events = await this.events.load(rooms.map((room) => room.eventNid));
    return new Map(rooms.map((room) => {
      const member = events.get(room.eventNid);
      return [room.roomNid, withMember(stripped.get(room.roomNid) ?? '[]', userId, member && strippedStateJson(member))];
    }));
  }
}

/** Stripped state with the reader's own member event, which some servers leave out. */
function withMember(stripped: string, userId: string, member: string | undefined): string {
  const events = parseStoredJson(stripped) as { type?: unknown; state_key?: unknown }[];
  if (!member || events.some((event) => event.type === 'm.room.member' && event.state_key === userId)) return stripped;
  return `[${[...events.map((event) => JSON.stringify(event)), member].join(',')}]`;
}
