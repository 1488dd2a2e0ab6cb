import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

/** That the devices or keys of a user changed. */
export interface DeviceListEntry {
  readonly userId: string;
  /** The only account that sees the change; empty for all who share a room. */
  readonly audience: string;
  readonly pos: number;
}

/** How somebody's membership changed in a room of the reader, over a range of positions. */
export interface MembershipDelta {
  readonly roomNid: number;
  readonly userId: string;
  readonly wasJoined: boolean;
  readonly isJoined: boolean;
}

interface DeltaRow {
  room_nid: number;
  user_id: string;
  before: string | null;
  now: string | null;
}

// Only the last change of a user is kept, so what changed again beyond the range comes with the next one.
const changedSince = statement(
  'device_list.changed_since',
  `SELECT DISTINCT c.user_id FROM device_list_changes c
   WHERE c.pos > $2 AND c.pos <= $3 AND (
     c.audience = $1 OR c.audience = '' AND (c.user_id = $1 OR EXISTS (
       SELECT 1 FROM current_state other
       JOIN current_state mine ON mine.room_nid = other.room_nid AND mine.type = 'm.room.member' AND mine.state_key = $1
         AND mine.membership = 'join'
       WHERE other.type = 'm.room.member' AND other.state_key = c.user_id AND other.membership = 'join'
     ))
   )`,
);
const membershipDeltas = statement(
  'device_list.membership_deltas',
  `SELECT d.room_nid, d.state_key AS user_id, before.json::json #>> '{content,membership}' AS before,
     now.json::json #>> '{content,membership}' AS now
   FROM local_memberships m
   JOIN state_deltas d ON d.room_nid = m.room_nid AND d.pos > $2 AND d.pos <= $3 AND d.type = 'm.room.member'
   LEFT JOIN events now ON now.event_nid = d.event_nid
   LEFT JOIN events before ON before.event_nid = d.previous_nid
   WHERE m.user_id = $1 AND (m.membership = 'join' OR m.pos > $2)
   ORDER BY d.pos LIMIT $4`,
);
const joinedMembers = statement(
  'device_list.joined_members',
  `SELECT DISTINCT state_key AS user_id FROM current_state
   WHERE room_nid = ANY($1) AND type = 'm.room.member' AND membership = 'join'`,
);
const members = statement(
  'device_list.members',
  `SELECT DISTINCT state_key AS user_id FROM current_state WHERE room_nid = ANY($1) AND type = 'm.room.member'
   AND membership IN ('join', 'leave', 'ban')`,
);
const withDevices = statement(
  'device_list.with_devices',
  `SELECT DISTINCT user_id FROM (
     (SELECT user_id FROM devices WHERE user_id > $1 ORDER BY user_id LIMIT $2)
     UNION ALL (SELECT user_id FROM device_list_streams WHERE user_id > $1 ORDER BY user_id LIMIT $2)
   ) AS u ORDER BY user_id LIMIT $2`,
);
const stream = statement('device_list.stream', 'SELECT stream_id FROM device_list_streams WHERE user_id = $1');
const putStream = statement(
  'device_list.put_stream',
  `INSERT INTO device_list_streams (user_id, stream_id) VALUES ($1, $2)
   ON CONFLICT (user_id) DO UPDATE SET stream_id = excluded.stream_id`,
);

/** The tables `device_list_changes` and `device_list_streams`, and the memberships that decide who sees whose devices. */
@Injectable()
export class DeviceListStore {
  readonly #upsert = new RowInserter(
    'device_list.upsert',
    'device_list_changes',
    ['user_id', 'audience', 'pos'],
    'ON CONFLICT (user_id, audience) DO UPDATE SET pos = excluded.pos',
  );

  constructor(private readonly db: Database) {}

  /** @param entries no two of the same user and audience */
  async put(tx: Queryable, entries: readonly DeviceListEntry[]): Promise<void> {
    await this.#upsert.insert(tx, entries.map(({ userId, audience, pos }) => [userId, audience, pos]));
  }

  /** Users whose keys changed in a range of the `device_lists` stream, as far as the account may know. */
  async changed(userId: string, from: number, to: number): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(changedSince, [userId, from, to])).map((row) => row.user_id);
  }

  /** Changes of memberships in the account's rooms in a range of the `events` stream, oldest first, at most `limit`. */
  async membershipDeltas(userId: string, from: number, to: number, limit: number): Promise<MembershipDelta[]> {
    const rows = await this.db.query<DeltaRow>(membershipDeltas, [userId, from, to, limit]);
    return rows.map((row) => ({
      roomNid: row.room_nid, userId: row.user_id, wasJoined: row.before === 'join', isJoined: row.now === 'join',
    }));
  }

  async joinedMembers(roomNids: readonly number[]): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(joinedMembers, [roomNids])).map((row) => row.user_id);
  }

  /** Present and former members. */
  async members(roomNids: readonly number[]): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(members, [roomNids])).map((row) => row.user_id);
  }

  /** Accounts of this server of whose devices others may have heard, in the order of their names, after one. */
  async withDevices(after: string, limit: number): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(withDevices, [after, limit])).map((row) => row.user_id);
  }

  /** Number of the last update about the user that was sent to other servers; 0 for none. */
  async streamId(db: Queryable, userId: string): Promise<number> {
    return (await db.query<{ stream_id: number }>(stream, [userId]))[0]?.stream_id ?? 0;
  }

  async putStreamId(db: Queryable, userId: string, streamId: number): Promise<void> {
    await db.write(putStream, [userId, streamId]);
  }
}
