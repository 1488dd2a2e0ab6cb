import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import type { SyncEventRow } from './sync-event.js';

const columns = 'event_nid, event_id, type, state_key, sender, origin_server_ts, is_own, device_id, client_txn, json, redacted_by';
const byNids = statement('sync_events.by_nids', `SELECT ${columns} FROM events WHERE event_nid = ANY($1)`);
const byIds = statement('sync_events.by_ids', `SELECT ${columns} FROM events WHERE event_id = ANY($1)`);
// Soft-failed and rejected events never appear, so an event after them follows no gap.
const held = statement(
  'sync_events.held',
  'SELECT event_id, event_nid FROM events WHERE event_id = ANY($1) AND (pos > 0 OR status IN (1, 2))',
);

@Injectable()
export class SyncEventsStore {
  constructor(private readonly db: Database) {}

  byNids(nids: readonly number[]): Promise<SyncEventRow[]> {
    return this.db.query<SyncEventRow>(byNids, [nids]);
  }

  byIds(eventIds: readonly string[]): Promise<SyncEventRow[]> {
    return this.db.query<SyncEventRow>(byIds, [eventIds]);
  }

  /** Those of the events that are in a timeline here, or that no timeline will show, with their numeric ids. */
  async held(eventIds: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.db.query<{ event_id: string; event_nid: number }>(held, [eventIds]);
    return new Map(rows.map((row) => [row.event_id, row.event_nid]));
  }
}
