import { Injectable } from '@nestjs/common';
import { Database, statement, type Queryable } from '../../storage/database.js';

export type Membership = 'join' | 'invite' | 'leave' | 'ban' | 'knock';

/** What a local account's room list says of a room. */
export interface RoomMembership {
  readonly roomId: string;
  readonly roomNid: number;
  readonly membership: Membership;
  /** Position at which it took effect. */
  readonly pos: number;
  /** Position at which the present stay began, of the account as one that lives here: it may have been in the room before. */
  readonly herePos: number;
  readonly eventNid: number;
  readonly sender: string;
  readonly forgotten: boolean;
}

interface Row {
  room_id: string;
  room_nid: number;
  membership: Membership;
  pos: number;
  here_pos: number;
  event_nid: number;
  sender: string;
  forgotten: boolean;
}

const ofUser = statement(
  'local_memberships.of_user',
  `SELECT r.room_id, m.room_nid, m.membership, m.pos, m.here_pos, m.event_nid, m.sender, m.forgotten
   FROM local_memberships m JOIN rooms r USING (room_nid) WHERE m.user_id = $1`,
);
const ofUserInRoom = statement(
  'local_memberships.of_user_in_room',
  `SELECT r.room_id, m.room_nid, m.membership, m.pos, m.here_pos, m.event_nid, m.sender, m.forgotten
   FROM local_memberships m JOIN rooms r USING (room_nid) WHERE m.user_id = $1 AND r.room_id = $2`,
);
const forget = statement(
  'local_memberships.forget',
  `UPDATE local_memberships SET forgotten = true FROM rooms r
   WHERE local_memberships.room_nid = r.room_nid AND user_id = $1 AND r.room_id = $2 AND membership IN ('leave', 'ban') RETURNING 1`,
);
const sharing = statement(
  'memberships.sharing_rooms',
  `SELECT DISTINCT other.state_key AS user_id FROM current_state mine
   JOIN current_state other ON other.room_nid = mine.room_nid AND other.type = 'm.room.member' AND other.membership = 'join'
   WHERE mine.type = 'm.room.member' AND mine.state_key = $1 AND mine.membership = 'join'`,
);
const shares = statement(
  'memberships.shares_room',
  `SELECT 1 FROM current_state mine
   JOIN current_state other ON other.room_nid = mine.room_nid AND other.type = 'm.room.member' AND other.membership = 'join'
   WHERE mine.type = 'm.room.member' AND mine.state_key = $1 AND mine.membership = 'join' AND other.state_key = $2 LIMIT 1`,
);
const joinedRooms = statement(
  'memberships.joined_rooms',
  `SELECT r.room_id FROM current_state c JOIN rooms r USING (room_nid)
   WHERE c.type = 'm.room.member' AND c.state_key = $1 AND c.membership = 'join'`,
);

@Injectable()
export class LocalMembershipsStore {
  constructor(private readonly db: Database) {}

  async ofUser(userId: string): Promise<RoomMembership[]> {
    return (await this.db.query<Row>(ofUser, [userId])).map(roomMembership);
  }

  async ofUserInRoom(userId: string, roomId: string): Promise<RoomMembership | undefined> {
    const [row] = await this.db.query<Row>(ofUserInRoom, [userId, roomId]);
    return row && roomMembership(row);
  }

  /** Returns false when the user has not left the room. */
  async forget(db: Queryable, userId: string, roomId: string): Promise<boolean> {
    return (await db.query(forget, [userId, roomId])).length > 0;
  }

  /** Everybody, here or elsewhere, who is joined to a room in which this user is joined; the user too. */
  async usersSharingRoomWith(userId: string): Promise<Set<string>> {
    return new Set((await this.db.query<{ user_id: string }>(sharing, [userId])).map((row) => row.user_id));
  }

  async sharesRoom(a: string, b: string): Promise<boolean> {
    return (await this.db.query(shares, [a, b])).length > 0;
  }

  /** Rooms that this server holds and in which the user, of any server, is joined. */
  async joinedRooms(userId: string): Promise<string[]> {
    return (await this.db.query<{ room_id: string }>(joinedRooms, [userId])).map((row) => row.room_id);
  }
}

function roomMembership(row: Row): RoomMembership {
  return {
    roomId: row.room_id, roomNid: row.room_nid, membership: row.membership, pos: row.pos, herePos: row.here_pos,
    eventNid: row.event_nid, sender: row.sender, forgotten: row.forgotten,
  };
}
