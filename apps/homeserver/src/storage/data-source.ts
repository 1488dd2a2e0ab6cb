import pg from 'pg';
import type { Pool, PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { Database } from './database.js';

/** Connections of one server; the writers need few, because they commit in groups. */
const POOL_SIZE = 10;

/** OID of `bigint`. Positions, ids and timestamps stay below 2^53, so they arrive as numbers, in this pool only. */
const INT8 = 20;
/** OID of `bigint[]`. */
const INT8_ARRAY = 1016;

const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
    if (format === 'binary') return pg.types.getTypeParser(oid, 'binary');
    if (oid === INT8) return Number;
    if (oid === INT8_ARRAY) return parseNumberArray;
    return pg.types.getTypeParser(oid, 'text');
  },
};

/** PostgreSQL writes a one-dimensional `bigint[]` as `{1,2}`. */
function parseNumberArray(text: string): number[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(Number);
}

/**
 * Opens the connections to the database.
 *
 * @param url connection string; the host may be a percent-encoded socket folder
 * @param entities TypeORM entity classes of cold tables
 * @throws when nothing answers within ten seconds
 */
export async function openDataSource(url: string, entities: readonly Function[] = []): Promise<DataSource> {
  const dataSource = new DataSource({
    type: 'postgres',
    entities: [...entities],
    synchronize: false,
    migrationsRun: false,
    logging: false,
    installExtensions: false,
    poolSize: POOL_SIZE,
    connectTimeoutMS: 10_000,
    // A lost idle connection is replaced by the pool; the query that meets a broken one reports it.
    poolErrorHandler: () => undefined,
    // `verify` runs on each new connection before anybody gets it.
    extra: { connectionString: url, types, keepAlive: true, verify: commitToDisk },
  });
  return dataSource.initialize();
}

/**
 * Every answered commit is on disk, whatever the cluster is set to: an answer leaves after its commit (ARCHITECTURE.md, invariant
 * 2), and one that the disk has not seen would be lost with the machine. Stronger settings stay (`remote_apply`).
 */
const SYNCHRONOUS = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')";

function commitToDisk(client: PoolClient, done: (error?: Error) => void): void {
  // The pool listens on idle connections only: one that is lost between its start and its first user, or between two of them, would
  // end the process. Whoever queries it next is told by the query.
  client.on('error', () => undefined);
  client.query(SYNCHRONOUS).then(() => done(), done);
}

/** The database of an open data source. */
export function databaseOf(dataSource: DataSource): Database {
  return new Database(dataSource, poolOf(dataSource));
}

/** Drops all connections at once, as a killed process does: transactions under way are rolled back by PostgreSQL. */
export function dropConnections(dataSource: DataSource): void {
  const pool = poolOf(dataSource);
  // pg has no public way to drop a connection that is in use.
  const { _clients: clients } = pool as Pool & { _clients: readonly (PoolClient & { connection: { stream: { destroy(): void } } })[] };
  const open = [...clients];
  // After `end` nobody can reconnect.
  pool.end().catch(() => undefined);
  for (const client of open) client.connection.stream.destroy();
}

function poolOf(dataSource: DataSource): Pool {
  return (dataSource.driver as PostgresDriver).master as Pool;
}
