import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { Database, statement } from '../../storage/database.js';

/** A place in a room's timeline below which events are missing. */
export interface Gap {
  /** Position of the lowest event above it. */
  readonly childPos: number;
  /** Events that belong right below. */
  readonly eventIds: readonly string[];
}

const gaps = statement(
  'history.in_room',
  `SELECT child_pos, array_agg(event_id ORDER BY child_depth DESC, event_id) AS event_ids FROM backward_extremities
   WHERE room_nid = $1 GROUP BY child_pos ORDER BY child_pos DESC LIMIT 1000`,
);
const eventBelow = statement('history.event_below', 'SELECT max(pos) AS pos FROM events WHERE room_nid = $1 AND pos < $2');
const takenTxns = statement(
  'history.taken_txns',
  `SELECT e.sender, e.txn FROM unnest($2::text[], $3::text[]) AS w (sender, txn)
   JOIN events e ON e.room_nid = $1 AND e.sender = w.sender AND e.txn = w.txn`,
);
const childAt = statement('history.child_at', 'SELECT event_id, state_nid, json FROM events WHERE room_nid = $1 AND pos = $2');

/** Where the timelines of rooms have gaps, and what is needed to fill them. */
@Injectable()
export class HistoryStore {
  constructor(private readonly db: Database) {}

  /** The gaps of a room, newest first; at most 1,000. */
  async ofRoom(roomNid: number): Promise<Gap[]> {
    const rows = await this.db.query<{ child_pos: number; event_ids: string[] }>(gaps, [roomNid]);
    return rows.map((row) => ({ childPos: row.child_pos, eventIds: row.event_ids }));
  }

  /** Position of the next older event, null below the oldest. */
  async below(roomNid: number, pos: number): Promise<number | null> {
    return (await this.db.query<{ pos: number | null }>(eventBelow, [roomNid, pos]))[0]?.pos ?? null;
  }

  /** Those of the once-only keys (protocol §6) that events of the room have taken, as `onceOnlyKey`. */
  async takenTxns(roomNid: number, wanted: readonly { sender: string; txn: string }[]): Promise<Set<string>> {
    if (wanted.length === 0) return new Set();
    const values = [roomNid, wanted.map((one) => one.sender), wanted.map((one) => one.txn)];
    return new Set((await this.db.query<{ sender: string; txn: string }>(takenTxns, values)).map(onceOnlyKey));
  }

  /** The event above a gap. */
  async child(roomNid: number, pos: number): Promise<{ eventId: string; stateNid: number | null; prevEvents: readonly string[] } | undefined> {
    const [row] = await this.db.query<{ event_id: string; state_nid: number | null; json: string }>(childAt, [roomNid, pos]);
    return row && {
      eventId: row.event_id, stateNid: row.state_nid, prevEvents: (parseStoredJson(row.json) as { prev_events: string[] }).prev_events,
    };
  }
}

export function onceOnlyKey({ sender, txn }: { sender: string; txn: string }): string {
  return `${sender}\u0000${txn}`;
}
