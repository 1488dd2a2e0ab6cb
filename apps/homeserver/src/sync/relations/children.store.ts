import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import type { HistoryRow } from '../history/history-rows.store.js';

/** How far relations of relations are followed, the first one with them (the specification wants 3 at least). */
export const RECURSION_DEPTH = 3;

type Order = 'ASC' | 'DESC';
const filter = '($5::text IS NULL OR rel_type = $5) AND ($6::text IS NULL OR type = $6) AND sender <> ALL($7)';
const columns = 'e.event_nid, e.pos, e.state_nid, octet_length(e.json) AS bytes';
const direct = (order: Order) => statement(
  `children.direct.${order.toLowerCase()}`,
  `SELECT ${columns} FROM (
     SELECT event_nid, pos FROM event_relations WHERE room_nid = $1 AND parent_id = $2 AND pos > $3 AND pos <= $4 AND ${filter}
     ORDER BY pos ${order} LIMIT $8) r
   JOIN events e ON e.event_nid = r.event_nid ORDER BY e.pos ${order}`,
);
// What is followed is of any kind; what is found is of the kinds that were asked for.
const recursive = (order: Order) => statement(
  `children.recursive.${order.toLowerCase()}`,
  `WITH RECURSIVE tree AS (
     SELECT event_id, event_nid, pos, rel_type, type, sender, 1 AS depth FROM event_relations WHERE room_nid = $1 AND parent_id = $2
     UNION ALL
     SELECT r.event_id, r.event_nid, r.pos, r.rel_type, r.type, r.sender, t.depth + 1
     FROM tree t JOIN event_relations r ON r.room_nid = $1 AND r.parent_id = t.event_id WHERE t.depth < ${RECURSION_DEPTH})
   SELECT ${columns} FROM (SELECT event_nid, pos FROM tree WHERE pos > $3 AND pos <= $4 AND ${filter} ORDER BY pos ${order} LIMIT $8) r
   JOIN events e ON e.event_nid = r.event_nid ORDER BY e.pos ${order}`,
);
const pages = { b: [direct('DESC'), recursive('DESC')], f: [direct('ASC'), recursive('ASC')] } as const;

// Who left looks at the threads in which something was said until then.
const threads = statement(
  'children.threads',
  `SELECT t.latest_pos AS latest, ${columns} FROM (
     SELECT t.root_id, t.latest_pos FROM threads t
     WHERE t.room_nid = $1 AND t.latest_pos <= $2
       AND (t.latest_pos <= $3 OR EXISTS (
         SELECT 1 FROM event_relations r WHERE r.room_nid = t.room_nid AND r.parent_id = t.root_id AND r.rel_type = 'm.thread' AND r.pos <= $3))
       AND ($4::text IS NULL
         OR EXISTS (SELECT 1 FROM event_relations o WHERE o.room_nid = t.room_nid AND o.parent_id = t.root_id AND o.rel_type = 'm.thread' AND o.sender = $4 AND o.pos <= $3)
         OR EXISTS (SELECT 1 FROM events p WHERE p.event_id = t.root_id AND p.room_nid = t.room_nid AND p.sender = $4))
     ORDER BY t.latest_pos DESC LIMIT $5) t
   LEFT JOIN events e ON e.event_id = t.root_id AND e.room_nid = $1 ORDER BY t.latest_pos DESC`,
);

/** Which of the events that relate to one are asked for. */
export interface ChildrenWish {
  readonly roomNid: number;
  readonly parentId: string;
  readonly relType: string | undefined;
  readonly type: string | undefined;
  /** Whether those that relate to these count, too. */
  readonly recurse: boolean;
  readonly ignored: readonly string[];
}

/** The place of a thread in the list of its room. */
export interface ThreadRow {
  /** Position of its newest reply. */
  readonly latest: number;
  /** The event that it begins with; undefined where that has no place in the timeline here. */
  readonly root: HistoryRow | undefined;
}

interface Row {
  event_nid: number;
  pos: number | null;
  state_nid: number | null;
  bytes: number;
}

/** Reads lists of events that relate to one, and of threads. */
@Injectable()
export class ChildrenStore {
  constructor(private readonly db: Database) {}

  /** Those with `after < pos <= upTo`: `b` is newest first. */
  async page(wish: ChildrenWish, dir: 'b' | 'f', after: number, upTo: number, limit: number): Promise<HistoryRow[]> {
    const values = [wish.roomNid, wish.parentId, bounded(after), bounded(upTo), wish.relType ?? null, wish.type ?? null, wish.ignored, limit];
    return (await this.db.query<Row>(pages[dir][wish.recurse ? 1 : 0], values)).map(historyRow);
  }

  /**
   * Threads whose newest reply is at `from` or below, the newest first.
   *
   * @param upTo only threads with replies at it or below
   * @param participant who wrote one of its events; null for all threads
   */
  async threads(roomNid: number, from: number, upTo: number, participant: string | null, limit: number): Promise<ThreadRow[]> {
    const rows = await this.db.query<Row & { latest: number }>(threads, [roomNid, bounded(from), bounded(upTo), participant, limit]);
    return rows.map((row) => ({ latest: row.latest, root: row.pos === null ? undefined : historyRow(row) }));
  }
}

function historyRow(row: Row): HistoryRow {
  return { nid: row.event_nid, pos: row.pos!, stateNid: row.state_nid, bytes: row.bytes };
}

function bounded(pos: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, pos));
}
