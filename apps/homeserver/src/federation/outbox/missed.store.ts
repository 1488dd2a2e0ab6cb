import { Injectable } from '@nestjs/common';
import { roomVersions } from '#federation';
import { Database, statement } from '../../storage/database.js';
import { memberContent } from './member-content.js';
import { servedWindows, type MemberChange, type MemberContent, type ServedWindow } from './served-windows.js';

/** An own event on its way to a destination. */
export interface QueuedPdu {
  readonly pos: number;
  readonly eventId: string;
  /** Canonical JSON as sent. */
  readonly json: string;
}

/** What a destination has missed. */
export interface Missed {
  /** In the order of their positions. */
  readonly pdus: readonly QueuedPdu[];
  /** With these everything up to here is covered. */
  readonly upTo: number;
}

/** Further behind than this, a destination gets the newest event of each room and asks for the gaps itself. */
export const MAX_MISSED = 1_000;
const MAX_CHANGES = 100_000;

const portableVersions = roomVersions.filter((version) => version.portable).map((version) => version.id);
const serverPart = (column: string) => `substr(${column}, strpos(${column}, ':') + 1)`;

const membersOfServer = statement(
  'missed.members',
  `SELECT cs.room_nid, cs.state_key, e.json, false AS portable
   FROM current_state cs JOIN rooms r ON r.room_nid = cs.room_nid JOIN events e ON e.event_nid = cs.event_nid
   WHERE cs.type = 'm.room.member' AND ${serverPart('cs.state_key')} = $1 AND r.last_pos > $2 AND r.version <> ALL ($3)`,
);
// The text search comes first because it is far cheaper than parsing every member event; it finds too much, never too little.
const membersAtHome = statement(
  'missed.members_at_home',
  `SELECT cs.room_nid, cs.state_key, e.json, true AS portable
   FROM rooms r JOIN current_state cs ON cs.room_nid = r.room_nid JOIN events e ON e.event_nid = cs.event_nid
   WHERE r.version = ANY ($3) AND r.last_pos > $2 AND cs.type = 'm.room.member' AND strpos(e.json, '"server_name":"' || $1 || '"') > 0`,
);
const memberChanges = statement(
  'missed.member_changes',
  `SELECT d.room_nid, d.state_key, d.pos, e.json, p.json AS previous
   FROM state_deltas d LEFT JOIN events e ON e.event_nid = d.event_nid LEFT JOIN events p ON p.event_nid = d.previous_nid
   WHERE d.room_nid = ANY ($1) AND d.pos > $2 AND d.type = 'm.room.member' AND d.state_key = ANY ($3)
   ORDER BY d.pos LIMIT $4`,
);
const ownEvents = statement(
  'missed.own_events',
  `SELECT event_id, room_nid, pos, json FROM events
   WHERE is_own AND pos > $1 AND pos <= $2 AND status = 0 AND room_nid = ANY ($3) ORDER BY pos LIMIT $4`,
);
const newestOwnEvents = statement(
  'missed.newest_own_events',
  `SELECT e.event_id, w.room_nid, e.pos, e.json
   FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS w (room_nid, from_pos, to_pos)
   CROSS JOIN LATERAL (
     SELECT event_id, pos, json FROM events
     WHERE room_nid = w.room_nid AND pos >= w.from_pos AND pos <= w.to_pos AND is_own AND status = 0 ORDER BY pos DESC LIMIT 1
   ) e ORDER BY e.pos LIMIT $4`,
);
const roomsWithOwnEvents = statement(
  'missed.rooms',
  `SELECT DISTINCT r.room_nid, r.version = ANY ($2) AS portable FROM events e JOIN rooms r ON r.room_nid = e.room_nid
   WHERE e.is_own AND e.pos > $1`,
);
const serversOfRooms = statement(
  'missed.servers',
  `SELECT ${serverPart('state_key')} AS server FROM current_state
   WHERE room_nid = ANY ($1) AND type = 'm.room.member' AND membership = 'join'
   UNION SELECT ${serverPart('state_key')} FROM state_deltas WHERE room_nid = ANY ($1) AND pos > $2 AND type = 'm.room.member'`,
);
const memberEventsOfRoom = statement(
  'missed.member_events',
  `SELECT cs.state_key, e.json FROM current_state cs JOIN events e ON e.event_nid = cs.event_nid
   WHERE cs.room_nid = $1 AND cs.type = 'm.room.member' AND cs.state_key > $2 ORDER BY cs.state_key LIMIT $3`,
);
const previousMemberEvents = statement(
  'missed.previous_member_events',
  `SELECT d.state_key, p.json FROM state_deltas d JOIN events p ON p.event_nid = d.previous_nid
   WHERE d.room_nid = $1 AND d.pos > $2 AND d.type = 'm.room.member' ORDER BY d.pos LIMIT $3`,
);

interface MemberRow extends Record<string, unknown> {
  room_nid: number;
  state_key: string;
  json: string | null;
  portable: boolean;
}
interface ChangeRow extends MemberRow {
  pos: number;
  previous: string | null;
}
interface EventRow extends Record<string, unknown> {
  event_id: string;
  room_nid: number;
  pos: number;
  json: string;
}

/** Finds out from the database which own events a server still has to get: after a restart, or when it was away for long. */
@Injectable()
export class MissedStore {
  constructor(private readonly db: Database) {}

  /**
   * Own events after `cursor` and up to `upTo` of the rooms that the server was in at the time. If there are more than
   * MAX_MISSED, the newest one of each room: it leads to all the others.
   */
  async read(server: string, cursor: number, upTo: number): Promise<Missed> {
    const windows = await this.#windows(server, cursor);
    const rooms = [...windows.keys()];
    if (rooms.length === 0) return { pdus: [], upTo };
    const rows = await this.db.query<EventRow>(ownEvents, [cursor, upTo, rooms, MAX_MISSED + 1]);
    if (rows.length <= MAX_MISSED) {
      const isServed = ({ room_nid, pos }: EventRow) => windows.get(room_nid)!.some(({ from, to }) => pos >= from && pos <= to);
      return { pdus: rows.filter(isServed).map(toQueued), upTo };
    }
    const all = [...windows].flatMap(([room, ranges]) => ranges.map((range) => ({ room, ...range })));
    const newest = await this.db.query<EventRow>(newestOwnEvents, [
      all.map(({ room }) => room), all.map(({ from }) => from), all.map(({ to }) => Math.min(to, upTo)), MAX_MISSED,
    ]);
    // Two members of one server have two windows with the same newest event.
    const pdus = [...new Map(newest.map((row) => [row.event_id, toQueued(row)])).values()];
    return { pdus, upTo: newest.length === MAX_MISSED ? newest.at(-1)!.pos : upTo };
  }

  /** Servers that may have to get an own event after `cursor`; too many rather than too few. */
  async destinations(cursor: number): Promise<Set<string>> {
    const rooms = await this.db.query<{ room_nid: number; portable: boolean }>(roomsWithOwnEvents, [cursor, portableVersions]);
    const standard = rooms.filter((room) => !room.portable).map((room) => room.room_nid);
    const found = standard.length === 0 ? [] : await this.db.query<{ server: string }>(serversOfRooms, [standard, cursor]);
    const servers = new Set(found.map((row) => row.server));
    for (const room of rooms) {
      if (!room.portable) continue;
      for await (const row of this.#memberEvents(room.room_nid, cursor)) {
        for (const home of memberContent(row.json, row.state_key, true)?.servers ?? []) servers.add(home);
      }
    }
    return servers;
  }

  async #windows(server: string, cursor: number): Promise<Map<number, ServedWindow[]>> {
    const members = [
      ...(await this.db.query<MemberRow>(membersOfServer, [server, cursor, portableVersions])),
      ...(await this.db.query<MemberRow>(membersAtHome, [server, cursor, portableVersions])),
    ];
    const windows = new Map<number, ServedWindow[]>();
    if (members.length === 0) return windows;
    const rooms = [...new Set(members.map((row) => row.room_nid))];
    const users = [...new Set(members.map((row) => row.state_key))];
    const changes = Map.groupBy(
      await this.db.query<ChangeRow>(memberChanges, [rooms, cursor, users, MAX_CHANGES]),
      (row) => `${row.room_nid} ${row.state_key}`,
    );
    for (const { room_nid: room, state_key: user, json, portable } of members) {
      const content = (text: string | null): MemberContent | undefined => memberContent(text, user, portable);
      const history = (changes.get(`${room} ${user}`) ?? []).map(
        (row): MemberChange => ({ pos: row.pos, now: content(row.json), before: content(row.previous) }),
      );
      const served = servedWindows(server, content(json), history, cursor);
      if (served.length > 0) windows.set(room, [...(windows.get(room) ?? []), ...served]);
    }
    return windows;
  }

  async *#memberEvents(room: number, cursor: number): AsyncIterable<{ state_key: string; json: string }> {
    type Row = { state_key: string; json: string };
    yield* await this.db.query<Row>(previousMemberEvents, [room, cursor, MAX_CHANGES]);
    let last = '';
    for (;;) {
      const rows = await this.db.query<Row>(memberEventsOfRoom, [room, last, MAX_MISSED]);
      yield* rows;
      if (rows.length < MAX_MISSED) return;
      last = rows.at(-1)!.state_key;
    }
  }
}

function toQueued(row: EventRow): QueuedPdu {
  return { pos: row.pos, eventId: row.event_id, json: row.json };
}
