import { Socket } from 'node:net';
import pg from 'pg';
import type { Pool, PoolClient } from 'pg';
import { DataSource, type Logger } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { parseStoredJson } from '#json';
import { CommitOutcomes } from './commit-outcomes.js';
import { limitsOf, usualLimits, type DatabaseLimits } from './database-limits.js';
import { Database } from './database.js';
import { CONNECTED } from './database-lock.js';
import type { MigrationClass } from './migrate.js';
import { timed } from './statement.js';
import { Tenure } from './tenure.js';

/** Connections of one server; the writers need few, because they commit in groups. */
const POOL_SIZE = 10;

/** OID of `bigint`. Positions, ids and timestamps stay below 2^53, so they arrive as numbers, in this pool only. */
const INT8 = 20;
/** OID of `bigint[]`. */
const INT8_ARRAY = 1016;

/** OIDs of `json` and `jsonb`, which the driver would parse by itself. */
const JSON_TYPES: ReadonlySet<number> = new Set([114, 3802]);

const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
    if (format === 'binary') return pg.types.getTypeParser(oid, 'binary');
    if (oid === INT8) return Number;
    if (oid === INT8_ARRAY) return parseNumberArray;
    if (JSON_TYPES.has(oid)) return parseStoredJson;
    return pg.types.getTypeParser(oid, 'text');
  },
};

/** PostgreSQL writes a one-dimensional `bigint[]` as `{1,2}`. */
function parseNumberArray(text: string): number[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(Number);
}

/** What TypeORM knows of the tables. */
export interface Schema {
  readonly entities?: readonly Function[];
  readonly migrations?: readonly MigrationClass[];
}

/** Failures are thrown; TypeORM's own loggers print those of migrations beside, whatever `logging` says. */
const silence: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/** Sockets to the database, by data source. */
const sockets = new WeakMap<DataSource, ReadonlySet<Socket>>();

/**
 * Opens the connections to the database.
 *
 * @param url connection string; the host may be a percent-encoded socket folder
 * @param schema entity classes of the tables off the hot paths, and the migrations that `migrate` applies
 * @param tenure whether, and as whom, the database is held when a connection is made
 * @throws when nothing answers within ten seconds
 */
export async function openDataSource(
  url: string, schema: Schema = {}, limits: DatabaseLimits = usualLimits, tenure: Tenure = new Tenure(),
): Promise<DataSource> {
  const open = new Set<Socket>();
  const stream = (): Socket => {
    const socket = new Socket();
    open.add(socket);
    return socket.once('close', () => open.delete(socket));
  };
  const dataSource = new DataSource({
    type: 'postgres',
    entities: [...(schema.entities ?? [])],
    migrations: [...(schema.migrations ?? [])],
    synchronize: false,
    migrationsRun: false,
    logging: false,
    logger: silence,
    installExtensions: false,
    poolSize: POOL_SIZE,
    connectTimeoutMS: limits.connectMs,
    // A lost idle connection is replaced by the pool; the query that meets a broken one reports it.
    poolErrorHandler: () => undefined,
    // `verify` runs on each new connection before anybody gets it.
    extra: {
      connectionString: url, types, stream, keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_S * 1_000,
      verify: (client: PoolClient, done: (error?: Error) => void) => setUp(client, limits, tenure).then(() => done(), done),
    },
  });
  sockets.set(dataSource, open);
  return dataSource.initialize();
}

async function setUp(client: PoolClient, limits: DatabaseLimits, tenure: Tenure): Promise<void> {
  // The pool listens on idle connections only: one that is lost between its start and its first user, or between two of them, would
  // end the process. Whoever queries it next is told by the query.
  client.on('error', () => undefined);
  await client.query(timed({ text: sessionOf(limits, tenure) }, limits.connectMs));
}

/** A peer that is gone is noticed after this many seconds, on both sides. */
const KEEP_ALIVE_S = 10;

/**
 * What holds for each session.
 *
 * Every answered commit is on disk, whatever the cluster is set to: an answer leaves after its commit (ARCHITECTURE.md, invariant
 * 2), and one that the disk has not seen would be lost with the machine. Stronger settings stay (`remote_apply`).
 */
function sessionOf(limits: DatabaseLimits, { epoch }: Tenure): string {
  return [
    limitsOf(limits),
    // Of no effect on sockets of the machine itself.
    `SET tcp_user_timeout = ${limits.answerMs}; SET tcp_keepalives_idle = ${KEEP_ALIVE_S}; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 5`,
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')",
    // The lock is there so that the next process that has the database can end it.
    ...(epoch === undefined ? [] : [`SELECT pg_advisory_lock_shared(${CONNECTED})`]),
  ].join('; ');
}

/** The database of an open data source. */
export function databaseOf(
  dataSource: DataSource, limits: DatabaseLimits = usualLimits, tenure: Tenure = new Tenure(), isFull = (): boolean => false,
): Database {
  const { extra } = dataSource.options as PostgresDataSourceOptions;
  const connect = async (): Promise<pg.Client> => {
    const { connectionString } = extra as { connectionString: string };
    const client = new pg.Client({ connectionString, types, connectionTimeoutMillis: limits.connectMs / 2, query_timeout: limits.answerMs / 2 });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  return new Database({ dataSource, pool: poolOf(dataSource), outcomes: new CommitOutcomes(connect), limits, tenure, isFull });
}

/** Drops all connections at once, as a killed process does: transactions under way are rolled back by PostgreSQL. */
export function dropConnections(dataSource: DataSource): void {
  const open = [...(sockets.get(dataSource) ?? [])];
  // After `end` nobody can reconnect.
  poolOf(dataSource).end().catch(() => undefined);
  for (const socket of open) socket.destroy();
}

function poolOf(dataSource: DataSource): Pool {
  return (dataSource.driver as PostgresDriver).master as Pool;
}
