import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import type { SyncEventRow } from './sync-event.js';

const columns = 'event_nid, room_nid, event_id, type, state_key, sender, origin_server_ts, is_own, device_id, client_txn, json, redacted_by';
// Nothing is gathered beside state, nor of annotations, which most events that have anything have: what is gathered comes behind them in the index.
// EXISTS would read the whole table for a long list.
const byNids = statement(
  'sync_events.by_nids',
  `SELECT ${columns}, e.state_key IS NULL AND (
     SELECT true FROM event_relations r WHERE r.room_nid = e.room_nid AND r.parent_id = e.event_id AND r.rel_type > 'm.annotation' LIMIT 1) IS NOT NULL AS is_parent
   FROM events e WHERE event_nid = ANY($1) AND NOT is_purged`,
);
const byIds = statement('sync_events.by_ids', `SELECT ${columns} FROM events WHERE event_id = ANY($1)`);
const sizes = statement('sync_events.sizes', 'SELECT event_nid, octet_length(json) AS bytes FROM events WHERE event_nid = ANY($1)');
// Soft-failed and rejected events never appear, so an event after them follows no gap.
const held = statement(
  'sync_events.held_at',
  'SELECT event_id, event_nid, pos FROM events WHERE room_nid = ANY($1) AND event_id = ANY($2) AND (pos <> 0 OR status IN (1, 2))',
);
const gaps = statement('sync_events.gaps', 'SELECT event_id, child_pos FROM backward_extremities WHERE room_nid = ANY($1) AND event_id = ANY($2)');

/** An event that is here. */
export interface HeldPlace {
  readonly nid: number;
  /** Below 0 in what was before this server's timeline; null for what no timeline shows. */
  readonly pos: number | null;
}

@Injectable()
export class SyncEventsStore {
  constructor(private readonly db: Database) {}

  /** Without those whose content was purged. */
  byNids(nids: readonly number[]): Promise<SyncEventRow[]> {
    return this.db.query<SyncEventRow>(byNids, [nids]);
  }

  async sizes(nids: readonly number[]): Promise<Map<number, number>> {
    const rows = await this.db.query<{ event_nid: number; bytes: number }>(sizes, [nids]);
    return new Map(rows.map((row) => [row.event_nid, row.bytes]));
  }

  byIds(eventIds: readonly string[]): Promise<SyncEventRow[]> {
    return this.db.query<SyncEventRow>(byIds, [eventIds]);
  }

  /** Those of the events, in these rooms, that are in a timeline or in the past of one here, or that no timeline will show. */
  async held(roomNids: readonly number[], eventIds: readonly string[]): Promise<Map<string, HeldPlace>> {
    const rows = await this.db.query<{ event_id: string; event_nid: number; pos: number | null }>(held, [roomNids, eventIds]);
    return new Map(rows.map((row) => [row.event_id, { nid: row.event_nid, pos: row.pos }]));
  }

  /** Of events that are missing in these rooms: the position of the lowest event above the gap in which they are. */
  async gaps(roomNids: readonly number[], eventIds: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.db.query<{ event_id: string; child_pos: number }>(gaps, [roomNids, eventIds]);
    return new Map(rows.map((row) => [row.event_id, row.child_pos]));
  }
}
