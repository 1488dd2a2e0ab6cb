import { Injectable } from '@nestjs/common';
import { recordOf, type RoomEvent } from '#federation';
import { AccountServers } from '../../accounts/account-servers.js';
import type { Room } from '../room.js';
import { serversOfMember } from './room-state.js';

const MEMBER = 'm.room.member';

/**
 * Which servers are in a room by what is known here now: the room may not show yet that somebody has dropped a home, and what
 * happened meanwhile is not for it (protocol §2, "Telling and asking").
 */
@Injectable()
export class StandingServers {
  constructor(private readonly servers: AccountServers) {}

  /** Whether the server acts for a joined member. */
  async isIn(room: Room, server: string): Promise<boolean> {
    if (!room.state.hasServer(server)) return false;
    if (!room.rules.portable) return true;
    for (const userId of room.state.joined) {
      const member = room.state.get(MEMBER, userId);
      if (member && (await this.actsFor(room, member, server))) return true;
    }
    return false;
  }

  /** Whether the server acts for whom the member event is about, by the event and by the highest record that is known here. */
  async actsFor(room: Room, member: RoomEvent, server: string): Promise<boolean> {
    if (!serversOfMember(member, room.rules).includes(server)) return false;
    return !room.rules.portable || !(await this.servers.hasDropped(member.pdu.state_key ?? '', server, recordOf(member)));
  }
}
