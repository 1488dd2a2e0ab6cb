import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import type { SqlFilter } from '../filter/event-matcher.js';
import { filterValues, isRelatedTo } from '../rooms/room-log.store.js';

/** An event's place in a room's timeline, with the state before it. */
export interface HistoryRow {
  readonly nid: number;
  readonly pos: number;
  readonly stateNid: number | null;
  /** Of the event's JSON. */
  readonly bytes: number;
}

const rows = (order: 'ASC' | 'DESC') => statement(
  `history_rows.${order.toLowerCase()}`,
  `SELECT event_nid, pos, state_nid, octet_length(json) AS bytes FROM events e WHERE room_nid = $1 AND pos > $2 AND pos <= $3
     AND ($5::text[] IS NULL OR type LIKE ANY($5)) AND ($6::text[] IS NULL OR NOT type LIKE ANY($6))
     AND ($7::text[] IS NULL OR sender = ANY($7)) AND ($8::text[] IS NULL OR NOT sender = ANY($8))
     AND ${isRelatedTo('$9', '$10')}
   ORDER BY pos ${order} LIMIT $4`,
);
const newestFirst = rows('DESC');
const oldestFirst = rows('ASC');

/** A stretch of positions: `after < pos <= upTo`. */
export interface HistoryStretch {
  readonly roomNid: number;
  readonly after: number;
  readonly upTo: number;
}

@Injectable()
export class HistoryRowsStore {
  constructor(private readonly db: Database) {}

  /** The first rows of a stretch in the direction: `b` is newest first. */
  async read(dir: 'b' | 'f', { roomNid, after, upTo }: HistoryStretch, limit: number, filter: SqlFilter): Promise<HistoryRow[]> {
    const bounded = [after, upTo].map((pos) => Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, pos)));
    const values = [roomNid, ...bounded, limit, ...filterValues(filter)];
    const found = await this.db.query<{ event_nid: number; pos: number; state_nid: number | null; bytes: number }>(dir === 'b' ? newestFirst : oldestFirst, values);
    return found.map((row) => ({ nid: row.event_nid, pos: row.pos, stateNid: row.state_nid, bytes: row.bytes }));
  }
}
