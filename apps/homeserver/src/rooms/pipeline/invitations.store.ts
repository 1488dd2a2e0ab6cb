import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../../storage/database.js';

const columns = 'm.user_id, r.room_id, r.version, m.membership, m.sender, m.stripped_state, m.via, e.event_id, e.json';
const pending = statement(
  'invitations.pending',
  `SELECT ${columns} FROM local_memberships m JOIN rooms r USING (room_nid) JOIN events e USING (event_nid)
   JOIN unnest($1::text[], $2::bigint[]) AS w (user_id, room_nid) ON w.user_id = m.user_id AND w.room_nid = m.room_nid
   WHERE m.membership IN ('invite', 'knock')`,
);
const ofUser = statement(
  'invitations.of_user',
  `SELECT ${columns} FROM local_memberships m JOIN rooms r USING (room_nid) JOIN events e USING (event_nid)
   WHERE m.user_id = $1 AND m.membership IN ('invite', 'knock')`,
);
const inRoom = statement(
  'invitations.in_room',
  `SELECT ${columns} FROM local_memberships m JOIN rooms r USING (room_nid) JOIN events e USING (event_nid)
   WHERE m.user_id = $1 AND r.room_id = $2 AND m.membership IN ('invite', 'knock')`,
);
const end = statement(
  'invitations.end',
  `INSERT INTO ended_invitations (user_id, event_id, ended_ts) SELECT u.user_id, u.event_id, $3
   FROM unnest($1::text[], $2::text[]) AS u (user_id, event_id) ON CONFLICT DO NOTHING`,
);
const hasEnded = statement('invitations.has_ended', 'SELECT 1 FROM ended_invitations WHERE user_id = $1 AND event_id = $2');
const forget = statement('invitations.forget', 'DELETE FROM ended_invitations WHERE ended_ts < $1');

/** An invitation or a knock of an account here that has not ended. */
export interface PendingInvitation {
  readonly userId: string;
  readonly roomId: string;
  /** Of the room. */
  readonly version: string;
  readonly membership: 'invite' | 'knock';
  readonly sender: string;
  /** JSON text of an array. */
  readonly strippedState: string | null;
  /** Servers through which the room can be reached; of knocks at rooms elsewhere. */
  readonly via: readonly string[] | null;
  readonly eventId: string;
  /** JSON text of the PDU. */
  readonly json: string;
}

interface Row {
  user_id: string;
  room_id: string;
  version: string;
  membership: 'invite' | 'knock';
  sender: string;
  stripped_state: string | null;
  via: readonly string[] | null;
  event_id: string;
  json: string;
}

/** Invitations and knocks as `local_memberships` has them, and the table `ended_invitations`. */
@Injectable()
export class InvitationsStore {
  constructor(private readonly db: Database) {}

  /** Those of the memberships that are invitations or knocks. */
  async pending(tx: Queryable, list: readonly { userId: string; roomNid: number }[]): Promise<PendingInvitation[]> {
    return (await tx.query<Row>(pending, [list.map((one) => one.userId), list.map((one) => one.roomNid)])).map(invitation);
  }

  async ofUser(userId: string): Promise<PendingInvitation[]> {
    return (await this.db.query<Row>(ofUser, [userId])).map(invitation);
  }

  async inRoom(userId: string, roomId: string): Promise<PendingInvitation | undefined> {
    const [row] = await this.db.query<Row>(inRoom, [userId, roomId]);
    return row && invitation(row);
  }

  async end(db: Queryable, list: readonly { userId: string; eventId: string }[], now: number): Promise<void> {
    await db.write(end, [list.map((one) => one.userId), list.map((one) => one.eventId), now]);
  }

  async hasEnded(userId: string, eventId: string): Promise<boolean> {
    return (await this.db.query(hasEnded, [userId, eventId])).length > 0;
  }

  async forgetEnded(before: number): Promise<void> {
    await this.db.query(forget, [before]);
  }
}

function invitation(row: Row): PendingInvitation {
  return {
    userId: row.user_id, roomId: row.room_id, version: row.version, membership: row.membership, sender: row.sender,
    strippedState: row.stripped_state, via: row.via, eventId: row.event_id, json: row.json,
  };
}
