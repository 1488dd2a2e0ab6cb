import { Injectable } from '@nestjs/common';
import { Database, statement, type Transaction } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

/** A stored EDU. */
export interface StoredEdu {
  readonly id: number;
  readonly json: string;
}

const loadCursors = statement('outbox.cursors', 'SELECT destination, acked_pos FROM federation_cursors');
const loadSettled = statement('outbox.settled', 'SELECT settled_pos FROM federation_outbox');
const saveSettled = statement('outbox.settle', 'UPDATE federation_outbox SET settled_pos = greatest(settled_pos, $1)');
const deleteCursors = statement('outbox.delete_cursors', 'DELETE FROM federation_cursors WHERE destination = ANY ($1)');
const cursorRows = new RowInserter(
  'outbox.save_cursors',
  'federation_cursors',
  ['destination', 'acked_pos'],
  'ON CONFLICT (destination) DO UPDATE SET acked_pos = excluded.acked_pos',
);
const eduRows = new RowInserter(
  'outbox.insert_edus',
  'outbound_edus',
  ['destination', 'edu_key', 'json', 'created_ts'],
  // The replacement takes a new id: the old row may be on its way and is deleted by its id when it has arrived.
  `ON CONFLICT (destination, edu_key) WHERE edu_key IS NOT NULL
   DO UPDATE SET id = excluded.id, json = excluded.json, created_ts = excluded.created_ts`,
);
const selectEdus = statement(
  'outbox.edus',
  'SELECT id, json FROM outbound_edus WHERE destination = $1 AND id <> ALL ($3) ORDER BY id LIMIT $2',
);
const selectEduDestinations = statement('outbox.edu_destinations', 'SELECT DISTINCT destination FROM outbound_edus');
const deleteEdus = statement('outbox.delete_edus', 'DELETE FROM outbound_edus WHERE id = ANY ($1)');
const deleteOldEdus = statement('outbox.delete_old_edus', 'DELETE FROM outbound_edus WHERE created_ts < $1');

/** What must survive a restart of the outgoing queues. */
@Injectable()
export class OutboxStore {
  constructor(private readonly db: Database) {}

  async cursors(): Promise<Map<string, number>> {
    const rows = await this.db.query<{ destination: string; acked_pos: number }>(loadCursors);
    return new Map(rows.map((row) => [row.destination, row.acked_pos]));
  }

  async settled(): Promise<number> {
    return (await this.db.query<{ settled_pos: number }>(loadSettled))[0]!.settled_pos;
  }

  /** In one transaction, so that the settled position never steps over what a destination has missed. */
  async save(settled: number, behind: ReadonlyMap<string, number>, caughtUp: readonly string[]): Promise<void> {
    await this.db.transaction(async (tx) => {
      await cursorRows.insert(tx, [...behind]);
      if (caughtUp.length > 0) await tx.query(deleteCursors, [caughtUp]);
      await tx.write(saveSettled, [settled]);
    });
  }

  async addEdus(tx: Transaction, destinations: readonly string[], key: string | null, json: string, now: number): Promise<void> {
    await eduRows.insert(tx, destinations.map((destination) => [destination, key, json, now]));
  }

  /** @param except ids of those that are not wanted now */
  edus(destination: string, limit: number, except: readonly number[]): Promise<StoredEdu[]> {
    return this.db.query<StoredEdu & Record<string, unknown>>(selectEdus, [destination, limit, except]);
  }

  async eduDestinations(): Promise<string[]> {
    return (await this.db.query<{ destination: string }>(selectEduDestinations)).map((row) => row.destination);
  }

  async deleteEdus(ids: readonly number[]): Promise<void> {
    await this.db.query(deleteEdus, [ids]);
  }

  async deleteEdusBefore(time: number): Promise<void> {
    await this.db.query(deleteOldEdus, [time]);
  }
}
