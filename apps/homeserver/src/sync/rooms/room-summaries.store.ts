import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';

const counts = statement(
  'room_summaries.counts',
  `SELECT room_nid, count(*) FILTER (WHERE membership = 'join')::int AS joined,
     count(*) FILTER (WHERE membership = 'invite')::int AS invited
   FROM current_state WHERE room_nid = ANY($1) AND type = 'm.room.member' GROUP BY room_nid`,
);
const names = statement(
  'room_summaries.names',
  `SELECT room_nid, type, event_nid FROM current_state
   WHERE room_nid = ANY($1) AND type IN ('m.room.name', 'm.room.canonical_alias') AND state_key = ''`,
);
const facts = statement(
  'room_summaries.facts',
  `SELECT room_nid, type, event_nid FROM current_state
   WHERE room_nid = ANY($1) AND type IN ('m.room.create', 'm.room.name', 'm.room.encryption') AND state_key = ''`,
);
// Present members first; only when there are too few, those who left are looked at too.
const heroes = statement(
  'room_summaries.heroes',
  `SELECT r.room_nid, c.state_key, c.event_nid, c.membership FROM unnest($1::bigint[]) AS r (room_nid) CROSS JOIN LATERAL (
     SELECT state_key, event_nid, membership FROM current_state
     WHERE room_nid = r.room_nid AND type = 'm.room.member' AND membership IN ('join', 'invite', 'leave', 'ban')
     ORDER BY membership IN ('join', 'invite') DESC, event_nid LIMIT $2) c`,
);

export interface HeroRow {
  room_nid: number;
  state_key: string;
  event_nid: number;
  membership: string;
}

@Injectable()
export class RoomSummariesStore {
  constructor(private readonly db: Database) {}

  async counts(roomNids: readonly number[]): Promise<Map<number, { joined: number; invited: number }>> {
    const rows = await this.db.query<{ room_nid: number; joined: number; invited: number }>(counts, [roomNids]);
    return new Map(rows.map((row) => [row.room_nid, { joined: row.joined, invited: row.invited }]));
  }

  names(roomNids: readonly number[]): Promise<{ room_nid: number; type: string; event_nid: number }[]> {
    return this.db.query(names, [roomNids]);
  }

  /** What lists of rooms are filtered by. */
  facts(roomNids: readonly number[]): Promise<{ room_nid: number; type: string; event_nid: number }[]> {
    return this.db.query(facts, [roomNids]);
  }

  heroes(roomNids: readonly number[], limit: number): Promise<HeroRow[]> {
    return this.db.query<HeroRow>(heroes, [roomNids, limit]);
  }
}
