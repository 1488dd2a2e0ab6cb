import { Injectable } from '@nestjs/common';
import { stateKeyOf } from '#federation';
import { Database, statement } from '../../storage/database.js';

/** One state that is asked for, in one snapshot. */
export interface WantedState {
  readonly stateNid: number;
  readonly type: string;
  readonly stateKey: string;
}

const load = statement(
  'state_values.load',
  `WITH RECURSIVE wanted AS (
     SELECT DISTINCT w.state_nid, k.key_nid, k.type, k.state_key
     FROM unnest($1::bigint[], $2::text[], $3::text[]) AS w (state_nid, type, state_key)
     JOIN state_keys k ON k.type = w.type AND k.state_key = w.state_key
   ), chain AS (
     SELECT s.state_nid AS start, s.state_nid, s.parent_nid, s.layers
     FROM (SELECT DISTINCT state_nid FROM wanted) w JOIN state_snapshots s USING (state_nid)
     UNION ALL
     SELECT c.start, s.state_nid, s.parent_nid, s.layers FROM chain c JOIN state_snapshots s ON s.state_nid = c.parent_nid
   )
   SELECT DISTINCT ON (w.state_nid, w.key_nid) w.state_nid, w.type, w.state_key, n.event_nid
   FROM wanted w JOIN chain c ON c.start = w.state_nid
   JOIN state_snapshot_entries n ON n.state_nid = c.state_nid AND n.key_nid = w.key_nid
   ORDER BY w.state_nid, w.key_nid, c.layers DESC`,
);

/** Single values of many states, read in one query: for pages of events, of which each has a state. */
export class StateValues {
  readonly #nids = new Map<string, number>();

  constructor(rows: readonly { state_nid: number; type: string; state_key: string; event_nid: number | null }[]) {
    for (const row of rows) {
      if (row.event_nid !== null) this.#nids.set(`${row.state_nid}\u0000${stateKeyOf(row.type, row.state_key)}`, row.event_nid);
    }
  }

  /** Numeric id of the state event; undefined where the state has none, or was not asked for. */
  get(stateNid: number | null, type: string, stateKey: string): number | undefined {
    return this.#nids.get(`${stateNid}\u0000${stateKeyOf(type, stateKey)}`);
  }

  /** All state events that were found. */
  get nids(): Iterable<number> {
    return this.#nids.values();
  }
}

@Injectable()
export class StateValuesStore {
  constructor(private readonly db: Database) {}

  async load(wanted: readonly WantedState[]): Promise<StateValues> {
    if (wanted.length === 0) return new StateValues([]);
    const columns = [wanted.map((one) => one.stateNid), wanted.map((one) => one.type), wanted.map((one) => one.stateKey)];
    return new StateValues(await this.db.query(load, columns));
  }
}
