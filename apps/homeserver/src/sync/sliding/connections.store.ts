import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import type { ConnectionKey } from './connection-key.js';

const select = statement(
  'sliding_connections.find',
  'SELECT connection_id, number, state FROM sliding_connections WHERE user_id = $1 AND device_id = $2 AND conn_id = $3 AND used_ts > $4',
);
// Of devices that are gone meanwhile nothing is kept.
const put = statement(
  'sliding_connections.put',
  `WITH given AS (
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[])
       AS g (user_id, device_id, conn_id, connection_id, number, state, used_ts)
   ), living AS (SELECT given.* FROM given JOIN devices d USING (user_id, device_id) FOR KEY SHARE OF d)
   INSERT INTO sliding_connections (user_id, device_id, conn_id, connection_id, number, state, used_ts) SELECT * FROM living
   ON CONFLICT (user_id, device_id, conn_id) DO UPDATE SET
     connection_id = excluded.connection_id, number = excluded.number, state = excluded.state, used_ts = excluded.used_ts`,
);
const trim = statement(
  'sliding_connections.trim',
  `DELETE FROM sliding_connections c USING (
     SELECT user_id, device_id, conn_id, row_number() OVER (PARTITION BY user_id, device_id ORDER BY used_ts DESC) AS n
     FROM sliding_connections WHERE (user_id, device_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
   ) o WHERE o.n > $3 AND c.user_id = o.user_id AND c.device_id = o.device_id AND c.conn_id = o.conn_id`,
);
const purge = statement('sliding_connections.purge', 'DELETE FROM sliding_connections WHERE used_ts <= $1');

export interface StoredConnection extends ConnectionKey {
  readonly id: string;
  readonly number: number;
  readonly state: string;
  /** Milliseconds. */
  readonly usedTs: number;
}

/** The table `sliding_connections`. */
@Injectable()
export class ConnectionsStore {
  constructor(private readonly db: Database) {}

  /** @param after when it was used, in milliseconds */
  async find({ userId, deviceId, connId }: ConnectionKey, after: number): Promise<{ id: string; number: number; state: string } | undefined> {
    const [row] = await this.db.query<{ connection_id: string; number: number; state: string }>(select, [userId, deviceId, connId, after]);
    return row && { id: row.connection_id, number: row.number, state: row.state };
  }

  /** @param keep connections of a device; no two of the rows have one key */
  async put(rows: readonly StoredConnection[], keep: number): Promise<void> {
    if (rows.length === 0) return;
    const users = rows.map((row) => row.userId);
    const devices = rows.map((row) => row.deviceId);
    await this.db.write(put, [
      users, devices, rows.map((row) => row.connId), rows.map((row) => row.id), rows.map((row) => row.number), rows.map((row) => row.state), rows.map((row) => row.usedTs),
    ]);
    await this.db.write(trim, [users, devices, keep]);
  }

  async purge(before: number): Promise<void> {
    await this.db.write(purge, [before]);
  }
}
