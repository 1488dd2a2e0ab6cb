import { Injectable } from '@nestjs/common';
import { stateKeyOf } from '#federation';
import { Database, statement } from '../../storage/database.js';
import type { SqlFilter } from '../filter/event-matcher.js';
import type { StateDelta, Stretch, TimelineRow } from './room-log.js';
import { rewind } from './room-log.js';

const stretches = 'unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS r (room_nid, after, upto)';

/** The condition on what relates to an event `e`, with the parameters that hold senders and ways of relating. */
export const isRelatedTo = (senders: string, relTypes: string) =>
  `((${senders}::text[] IS NULL AND ${relTypes}::text[] IS NULL) OR EXISTS (
     SELECT 1 FROM event_relations x WHERE x.room_nid = e.room_nid AND x.parent_id = e.event_id
       AND (${senders}::text[] IS NULL OR x.sender = ANY(${senders})) AND (${relTypes}::text[] IS NULL OR x.rel_type = ANY(${relTypes}))))`;

const newest = statement(
  'room_log.newest',
  `SELECT r.room_nid, t.event_nid, t.pos, t.bytes FROM ${stretches} CROSS JOIN LATERAL (
     SELECT e.event_nid, e.pos, octet_length(e.json) AS bytes FROM events e
     WHERE e.room_nid = r.room_nid AND e.pos > r.after AND e.pos <= r.upto ORDER BY e.pos DESC LIMIT $4) t`,
);
const newestFiltered = statement(
  'room_log.newest_filtered',
  `SELECT r.room_nid, t.event_nid, t.pos, t.bytes FROM ${stretches} CROSS JOIN LATERAL (
     SELECT e.event_nid, e.pos, octet_length(e.json) AS bytes FROM events e
     WHERE e.room_nid = r.room_nid AND e.pos > r.after AND e.pos <= r.upto
       AND ($5::text[] IS NULL OR e.type LIKE ANY($5)) AND ($6::text[] IS NULL OR NOT e.type LIKE ANY($6))
       AND ($7::text[] IS NULL OR e.sender = ANY($7)) AND ($8::text[] IS NULL OR NOT e.sender = ANY($8))
       AND ${isRelatedTo('$9', '$10')}
     ORDER BY e.pos DESC LIMIT $4) t`,
);
const deltas = statement(
  'room_log.deltas',
  `SELECT d.room_nid, d.pos, d.type, d.state_key, d.event_nid, d.previous_nid FROM ${stretches}
   JOIN state_deltas d ON d.room_nid = r.room_nid AND d.pos > r.after AND d.pos <= r.upto ORDER BY d.pos`,
);
// Current entries (pos NULL) and the later changes in one statement, so that both are of one moment.
const stateAt = (name: string, member: string) => statement(
  name,
  `SELECT c.room_nid, NULL AS pos, c.type, c.state_key, c.event_nid, NULL AS previous_nid
   FROM unnest($1::bigint[]) AS r (room_nid) JOIN current_state c ON c.room_nid = r.room_nid AND c.type ${member}
   UNION ALL
   SELECT d.room_nid, d.pos, d.type, d.state_key, d.event_nid, d.previous_nid
   FROM unnest($1::bigint[], $2::bigint[]) AS r (room_nid, at)
   JOIN state_deltas d ON d.room_nid = r.room_nid AND d.pos > r.at AND d.type ${member}
   ORDER BY pos`,
);
const stateWithoutMembers = stateAt('room_log.state', "<> 'm.room.member'");
const allMembers = stateAt('room_log.members', "= 'm.room.member'");
const someMembers = statement(
  'room_log.some_members',
  `WITH w AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS w (room_nid, state_key, at))
   SELECT c.room_nid, NULL AS pos, c.type, c.state_key, c.event_nid, NULL AS previous_nid
   FROM w JOIN current_state c ON c.room_nid = w.room_nid AND c.type = 'm.room.member' AND c.state_key = w.state_key
   UNION ALL
   SELECT d.room_nid, d.pos, d.type, d.state_key, d.event_nid, d.previous_nid
   FROM w JOIN state_deltas d ON d.room_nid = w.room_nid AND d.state_key = w.state_key AND d.pos > w.at AND d.type = 'm.room.member'
   ORDER BY pos`,
);
const keyHistory = statement(
  'room_log.key_history',
  `SELECT d.room_nid, d.pos, d.type, d.state_key, d.event_nid, d.previous_nid
   FROM unnest($1::bigint[]) AS r (room_nid)
   JOIN state_deltas d ON d.room_nid = r.room_nid AND d.state_key = $3 AND d.type = $2 ORDER BY d.pos`,
);

interface RowResult {
  room_nid: number;
  event_nid: number;
  pos: number;
  bytes: number;
}

interface DeltaResult {
  room_nid: number;
  pos: number | null;
  type: string;
  state_key: string;
  event_nid: number | null;
  previous_nid: number | null;
}

/** The six parameters of a filter, in the order of the statements here and of `/messages`. */
export const filterValues = (filter: SqlFilter): (string[] | null)[] =>
  [filter.types, filter.notTypes, filter.senders, filter.notSenders, filter.relatedBySenders, filter.relatedByRelTypes];

/** Reads timelines and state of many rooms at once; every method is one query. */
@Injectable()
export class RoomLogStore {
  constructor(private readonly db: Database) {}

  /** The newest `limit` timeline events of each stretch, oldest first. */
  async newest(
    wanted: readonly Stretch[], limit: number, filter: SqlFilter | null = null,
  ): Promise<Map<number, TimelineRow[]>> {
    const values: unknown[] = [...columnsOf(wanted), limit];
    if (filter) values.push(...filterValues(filter));
    const rows = await this.db.query<RowResult>(filter ? newestFiltered : newest, values);
    rows.sort((a, b) => a.pos - b.pos);
    const found = new Map<number, TimelineRow[]>(wanted.map(({ roomNid }) => [roomNid, []]));
    for (const row of rows) found.get(row.room_nid)!.push({ nid: row.event_nid, pos: row.pos, bytes: row.bytes });
    return found;
  }

  /** All changes of state in the stretches, in order of position. */
  async deltas(wanted: readonly Stretch[]): Promise<Map<number, StateDelta[]>> {
    const found = new Map<number, StateDelta[]>(wanted.map(({ roomNid }) => [roomNid, []]));
    for (const row of await this.db.query<DeltaResult>(deltas, columnsOf(wanted))) found.get(row.room_nid)!.push(delta(row));
    return found;
  }

  /** State without members of each room, as it was at the position. */
  async state(rooms: readonly { roomNid: number; pos: number }[]): Promise<Map<number, Map<string, number>>> {
    const values = [rooms.map((room) => room.roomNid), rooms.map((room) => room.pos)];
    return statesOf(rooms, await this.db.query<DeltaResult>(stateWithoutMembers, values));
  }

  /** Member events of each room, as they were at the position. */
  async members(rooms: readonly { roomNid: number; pos: number }[]): Promise<Map<number, Map<string, number>>> {
    const values = [rooms.map((room) => room.roomNid), rooms.map((room) => room.pos)];
    return statesOf(rooms, await this.db.query<DeltaResult>(allMembers, values));
  }

  /** The same, of these members only. */
  async someMembers(
    wanted: readonly { roomNid: number; pos: number; userId: string }[],
  ): Promise<Map<number, Map<string, number>>> {
    const values = [wanted.map((one) => one.roomNid), wanted.map((one) => one.userId), wanted.map((one) => one.pos)];
    return statesOf(wanted, await this.db.query<DeltaResult>(someMembers, values));
  }

  /** Every change that there ever was of one state in each room, in order. Served by an index for members and history visibility. */
  async keyHistory(
    roomNids: readonly number[], type: 'm.room.member' | 'm.room.history_visibility', stateKey: string,
  ): Promise<Map<number, StateDelta[]>> {
    const found = new Map<number, StateDelta[]>(roomNids.map((nid) => [nid, []]));
    for (const row of await this.db.query<DeltaResult>(keyHistory, [roomNids, type, stateKey])) found.get(row.room_nid)!.push(delta(row));
    return found;
  }
}

function columnsOf(wanted: readonly Stretch[]): [number[], number[], number[]] {
  return [wanted.map((one) => one.roomNid), wanted.map((one) => one.after), wanted.map((one) => one.to)];
}

function delta(row: DeltaResult): StateDelta {
  return { pos: row.pos!, key: stateKeyOf(row.type, row.state_key), nid: row.event_nid, previous: row.previous_nid };
}

/** Current entries with all later changes taken back. */
function statesOf(rooms: readonly { roomNid: number }[], rows: readonly DeltaResult[]): Map<number, Map<string, number>> {
  const states = new Map<number, Map<string, number>>();
  const later = new Map<number, StateDelta[]>();
  for (const { roomNid } of rooms) {
    states.set(roomNid, new Map());
    later.set(roomNid, []);
  }
  for (const row of rows) {
    if (row.pos === null) states.get(row.room_nid)!.set(stateKeyOf(row.type, row.state_key), row.event_nid!);
    else later.get(row.room_nid)!.push(delta(row));
  }
  for (const [roomNid, state] of states) rewind(state, later.get(roomNid)!, -Infinity);
  return states;
}
