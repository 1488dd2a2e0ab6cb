import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { isAllowedByAcl } from '../rooms/remote/server-acl.js';
import { RoomRegistry } from '../rooms/room-registry.js';
import { StandingServers } from '../rooms/state/standing-servers.js';

/** Who hears of what a member does in a room, and for whom a server may speak there. */
@Injectable()
export class RoomAudience {
  constructor(
    private readonly rooms: RoomRegistry,
    private readonly standing: StandingServers,
  ) {}

  /** Joined members with an account on this server. */
  async local(roomId: string): Promise<readonly string[]> {
    return (await this.rooms.find(roomId))?.state.localJoined ?? [];
  }

  async otherServers(roomId: string): Promise<readonly string[]> {
    return (await this.rooms.find(roomId))?.state.otherServers ?? [];
  }

  /** Numeric id of the room. @throws MatrixError 403 when the user is not joined */
  async joinedRoom(roomId: string, userId: string): Promise<number> {
    const room = await this.rooms.find(roomId);
    if (!room?.state.joined.has(userId)) throw MatrixError.forbidden('You are not in this room');
    return room.nid;
  }

  /**
   * The room's numeric id if the server serves a joined member of this name (its domain's does, or in portable rooms any of the
   * member's homes: protocol §3, routing) and the room's list of denied servers allows it. Undefined otherwise: what the server
   * says about the user is ignored.
   */
  async roomOfServedMember(roomId: string, userId: string, server: string): Promise<number | undefined> {
    const room = await this.rooms.find(roomId);
    if (!room?.state.joined.has(userId) || !isAllowedByAcl(room.state, server)) return undefined;
    const member = room.state.get('m.room.member', userId);
    return member && (await this.standing.actsFor(room, member, server)) ? room.nid : undefined;
  }
}
