import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';

/** An event of a timeline by the time that it bears. */
export interface EventTime {
  readonly nid: number;
  readonly eventId: string;
  readonly pos: number;
  readonly stateNid: number | null;
  readonly ts: number;
}

/** Forwards: this time or later, the first; backwards: this time or earlier, the last. */
export type TimeDirection = 'f' | 'b';

const columns = 'event_nid, event_id, pos, state_nid, origin_server_ts';
const forwards = statement(
  'event_times.forwards',
  `SELECT ${columns} FROM events WHERE room_nid = $1 AND pos IS NOT NULL AND NOT is_purged AND (origin_server_ts, pos) >= ($2, $3) AND status = 0 ORDER BY origin_server_ts, pos LIMIT $4`,
);
const backwards = statement(
  'event_times.backwards',
  `SELECT ${columns} FROM events WHERE room_nid = $1 AND pos IS NOT NULL AND NOT is_purged AND (origin_server_ts, pos) <= ($2, $3) AND status = 0 ORDER BY origin_server_ts DESC, pos DESC LIMIT $4`,
);

/** Finds events of a room by the times that they bear. Of those of one time the order of the timeline decides. */
@Injectable()
export class EventTimesStore {
  constructor(private readonly db: Database) {}

  /** The nearest events, nearest first, beyond one of a former question. */
  async near(roomNid: number, dir: TimeDirection, ts: number, limit: number, beyond?: EventTime): Promise<EventTime[]> {
    const step = dir === 'f' ? 1 : -1;
    const pos = beyond ? beyond.pos + step : step * Number.MIN_SAFE_INTEGER;
    const rows = await this.db.query<{ event_nid: number; event_id: string; pos: number; state_nid: number | null; origin_server_ts: number }>(
      dir === 'f' ? forwards : backwards, [roomNid, beyond?.ts ?? ts, pos, limit],
    );
    return rows.map((row) => ({ nid: row.event_nid, eventId: row.event_id, pos: row.pos, stateNid: row.state_nid, ts: row.origin_server_ts }));
  }
}
