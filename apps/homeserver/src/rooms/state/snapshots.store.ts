import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { stateKeyOf } from '#federation';
import { Database, statement } from '../../storage/database.js';
import { Snapshot, type SnapshotLayer } from './snapshot.js';

const load = statement(
  'snapshots.load',
  `WITH RECURSIVE chain AS (
     SELECT state_nid, parent_nid, layers FROM state_snapshots WHERE state_nid = $1
     UNION ALL
     SELECT s.state_nid, s.parent_nid, s.layers FROM state_snapshots s JOIN chain c ON s.state_nid = c.parent_nid
   )
   SELECT c.state_nid, k.type, k.state_key, n.event_nid
   FROM chain c JOIN state_snapshot_entries n USING (state_nid) JOIN state_keys k USING (key_nid)
   ORDER BY c.layers`,
);

/** Reads snapshots; holds the recently used ones, bounded by their entries. */
@Injectable()
export class SnapshotsStore {
  readonly #cache = new LRUCache<number, Snapshot>({
    maxSize: 500_000,
    sizeCalculation: (snapshot) => 1 + snapshot.layers.reduce((sum, layer) => sum + layer.entries.size, 0),
  });

  constructor(private readonly db: Database) {}

  /** The snapshot of this id; null is the empty state. */
  async load(nid: number | null): Promise<Snapshot> {
    if (nid === null) return Snapshot.empty;
    const cached = this.#cache.get(nid);
    if (cached) return cached;
    const rows = await this.db.query<{ state_nid: number; type: string; state_key: string; event_nid: number | null }>(load, [nid]);
    const layers: (SnapshotLayer & { entries: Map<string, number | null> })[] = [];
    for (const row of rows) {
      if (layers.at(-1)?.nid !== row.state_nid) layers.push({ nid: row.state_nid, entries: new Map() });
      layers.at(-1)!.entries.set(stateKeyOf(row.type, row.state_key), row.event_nid);
    }
    const snapshot = new Snapshot(layers);
    this.#cache.set(nid, snapshot);
    return snapshot;
  }
}
