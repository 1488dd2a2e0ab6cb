import { Injectable } from '@nestjs/common';
import { serverNameOf } from '#federation';
import { allowedRoomIds } from '../rooms/membership/restricted-joins.js';
import { type Membership, LocalMembershipsStore } from '../rooms/membership/local-memberships.store.js';
import { RoomRegistry } from '../rooms/room-registry.js';
import type { RoomView } from '../rooms/room-view.js';
import { membershipOf } from '../rooms/state/room-state.js';
import type { RoomSummary } from './room-summary.js';

/** Join rules of rooms at which everybody may at least knock. */
const OPEN_RULES: ReadonlySet<string> = new Set(['public', 'knock', 'knock_restricted']);

/** Who may have a summary of a room without being in it: whoever could come in, knock or look in (`GET …/hierarchy`, `GET /room_summary/…`). */
@Injectable()
export class RoomPreviews {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly memberships: LocalMembershipsStore,
  ) {}

  /** @param userId an account here; null for somebody without one */
  async mayUser(userId: string | null, room: RoomView, summary: RoomSummary): Promise<boolean> {
    if (isOpen(summary)) return true;
    if (userId === null) return false;
    const own = membershipOf(room.state.get('m.room.member', userId));
    return own === 'join' || own === 'invite' || this.#isInOneOf(allowedRoomIds(room.state, room.rules), (other) => other.state.joined.has(userId));
  }

  /** The server then judges whom of its people it shows the summary. */
  async mayServer(server: string, room: RoomView, summary: RoomSummary): Promise<boolean> {
    if (isOpen(summary) || room.state.hasServer(server)) return true;
    for (const [, { event }] of room.state.entries()) {
      if (event.pdu.type === 'm.room.member' && membershipOf(event) === 'invite' && serverNameOf(event.pdu.state_key ?? '') === server) return true;
    }
    return this.#isInOneOf(allowedRoomIds(room.state, room.rules), (other) => other.state.hasServer(server));
  }

  /** Whether a summary that another server has told is for the user. */
  async mayUserByTale(userId: string | null, told: RoomSummary): Promise<boolean> {
    if (isOpen(told)) return true;
    if (userId === null) return false;
    const membership = await this.membershipOf(userId, told.room_id);
    return membership === 'join' || membership === 'invite' || this.#isInOneOf(told.allowed_room_ids ?? [], (other) => other.state.joined.has(userId));
  }

  async membershipOf(userId: string, roomId: string): Promise<Membership | undefined> {
    return (await this.memberships.ofUserInRoom(userId, roomId))?.membership;
  }

  async #isInOneOf(roomIds: readonly string[], isIn: (room: RoomView) => boolean): Promise<boolean> {
    for (const roomId of roomIds.slice(0, 50)) {
      const room = await this.registry.find(roomId);
      if (room?.state.isResident && isIn(room)) return true;
    }
    return false;
  }
}

function isOpen(summary: RoomSummary): boolean {
  return summary.world_readable || OPEN_RULES.has(summary.join_rule);
}
