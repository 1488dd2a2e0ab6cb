import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import type { Relating } from '../../rooms/relations/relation-of.js';
import { Database, statement } from '../../storage/database.js';

/** References that are told beside an event, the newest ones: all of them are to be had by `/relations`. */
const MAX_REFERENCES = 100;

// A row for each stretch of the timeline that the reader may see.
const stretches = '$1::int[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[]';
const columns = 'i, room_nid, parent_id, lowest, highest';
const within = 'r.room_nid = w.room_nid AND r.parent_id = w.parent_id AND r.pos BETWEEN w.lowest AND w.highest';
const threads = statement(
  'relations.threads',
  `SELECT t.i, t.count, t.participated, l.event_nid AS nid FROM (
     SELECT w.i, w.room_nid, w.parent_id, count(*)::int AS count, max(r.pos) AS pos, bool_or(r.sender = $6) AS participated
     FROM unnest(${stretches}) AS w (${columns}) JOIN event_relations r ON ${within} AND r.rel_type = 'm.thread'
     WHERE r.sender <> ALL($7) GROUP BY w.i, w.room_nid, w.parent_id) t
   JOIN event_relations l ON l.room_nid = t.room_nid AND l.parent_id = t.parent_id AND l.pos = t.pos`,
);
// The latest by the clocks of the senders' servers; of one moment the one with the greater id ("Server-side aggregation of m.replace").
const edits = statement(
  'relations.edits',
  `SELECT DISTINCT ON (w.i) w.i, r.event_nid AS nid
   FROM unnest(${stretches}, $6::text[], $7::text[]) AS w (${columns}, sender, type)
   JOIN event_relations r ON ${within} AND r.rel_type = 'm.replace' AND r.sender = w.sender AND r.type = w.type AND r.replaces
   ORDER BY w.i, r.origin_server_ts DESC, r.event_id COLLATE "C" DESC`,
);
const references = statement(
  'relations.references',
  `SELECT w.i, r.event_id, r.pos FROM unnest(${stretches}) AS w (${columns}) CROSS JOIN LATERAL (
     SELECT r.event_id, r.pos FROM event_relations r WHERE ${within} AND r.rel_type = 'm.reference' AND r.sender <> ALL($6)
     ORDER BY r.pos DESC LIMIT ${MAX_REFERENCES}) r ORDER BY w.i, r.pos`,
);

const relating = statement(
  'relations.relating',
  `SELECT e.room_nid, e.event_id, e.type, e.json FROM unnest($1::bigint[], $2::text[]) AS w (room_nid, event_id)
   JOIN events e ON e.event_id = w.event_id AND e.room_nid = w.room_nid`,
);

/** An event to which others relate, and what of its room's timeline the reader may see. */
export interface WantedParent {
  readonly roomNid: number;
  readonly eventId: string;
  readonly sender: string;
  readonly type: string;
  /** Both ends with them. */
  readonly seen: readonly (readonly [lowest: number, highest: number])[];
}

export interface ThreadSummary {
  /** Replies. */
  readonly count: number;
  /** Whether one of them is the reader's. */
  readonly participated: boolean;
  /** Numeric id of the newest of them. */
  readonly latest: number;
}

/** What relates to an event. */
export interface Related {
  readonly thread?: ThreadSummary;
  /** Numeric id of the newest valid edit. */
  readonly edit?: number;
  /** Event ids, oldest first. */
  readonly references: readonly string[];
}

/** Reads what is gathered beside events. */
@Injectable()
export class RelationsStore {
  constructor(private readonly db: Database) {}

  /**
   * By the event ids' places in the list. One round trip.
   *
   * @param reader the one that `participated` means
   * @param ignored senders whose events do not count
   */
  async related(parents: readonly WantedParent[], reader: string, ignored: readonly string[]): Promise<Map<number, Related>> {
    const rows = parents.flatMap((parent, i) => parent.seen.map(([lowest, highest]) => ({ i, parent, lowest: bounded(lowest), highest: bounded(highest) })));
    const stretches = [
      rows.map(({ i }) => i), rows.map(({ parent }) => parent.roomNid), rows.map(({ parent }) => parent.eventId),
      rows.map(({ lowest }) => lowest), rows.map(({ highest }) => highest),
    ];
    const [threadRows, editRows, referenceRows] = await Promise.all([
      this.db.query<{ i: number; count: number; participated: boolean; nid: number }>(threads, [...stretches, reader, ignored]),
      this.db.query<{ i: number; nid: number }>(edits, [...stretches, rows.map(({ parent }) => parent.sender), rows.map(({ parent }) => parent.type)]),
      this.db.query<{ i: number; event_id: string }>(references, [...stretches, ignored]),
    ]);
    const found = new Map<number, { thread?: ThreadSummary; edit?: number; references: string[] }>();
    const at = (i: number) => found.get(i) ?? found.set(i, { references: [] }).get(i)!;
    for (const { i, count, participated, nid } of threadRows) at(i).thread = { count, participated, latest: nid };
    for (const { i, nid } of editRows) at(i).edit = nid;
    for (const { i, event_id: eventId } of referenceRows) at(i).references.push(eventId);
    for (const one of found.values()) one.references.splice(0, one.references.length - MAX_REFERENCES);
    return found;
  }

  /** What events say of others, by room and event id: `1 $id`. Those that are not here are left out. */
  async relating(wanted: readonly { readonly roomNid: number; readonly eventId: string }[]): Promise<Map<string, Relating>> {
    const rows = await this.db.query<{ room_nid: number; event_id: string; type: string; json: string }>(
      relating, [wanted.map(({ roomNid }) => roomNid), wanted.map(({ eventId }) => eventId)],
    );
    return new Map(rows.map((row) => [`${row.room_nid} ${row.event_id}`, { type: row.type, content: (parseStoredJson(row.json) as { content: JsonObject }).content }]));
  }
}

function bounded(pos: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, pos));
}
