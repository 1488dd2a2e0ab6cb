import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrationsFolder } from '../../apps/homeserver/src/server.js';
import { openDataSource } from '../../apps/homeserver/src/storage/data-source.js';
import { migrate, readMigrations } from '../../apps/homeserver/src/storage/migrate.js';
import { ensureDatabase, startPrivateCluster } from '../../apps/homeserver/src/storage/private-cluster.js';
import { createCertificateAuthority } from '../../apps/homeserver/src/tls/certificate-authority.js';

const TEMPLATE = 'partyline_template';
const START_TIMEOUT_MS = 90_000;
const POLL_MS = 50;

/** What all suites of a test run share. */
export interface TestCluster {
  /** Connection string of the `postgres` database. */
  readonly adminUrl: string;
  /** Folder of this run, deleted at its end. */
  readonly folder: string;
  /** Authority that the test servers trust, PEM. */
  readonly ca: string;
  /** Certificate of `localhost`. */
  readonly tls: { readonly cert: string; readonly key: string };
}

/**
 * The PostgreSQL of this test run with a migrated template database. The first suite that asks starts it; the run's
 * teardown ends it.
 */
export async function testCluster(): Promise<TestCluster> {
  const folder = process.env['PARTYLINE_TEST_FOLDER'];
  if (folder === undefined) throw new Error('PARTYLINE_TEST_FOLDER is set by test/network/global-setup.mjs');
  const stateFile = join(folder, 'cluster.json');
  const failureFile = join(folder, 'cluster-failed');
  if (!existsSync(stateFile) && isFirst(join(folder, 'cluster-starting'))) {
    try {
      const state = await startTestCluster(folder);
      writeFileSync(`${stateFile}.new`, JSON.stringify(state));
      renameSync(`${stateFile}.new`, stateFile);
    } catch (error) {
      writeFileSync(failureFile, (error as Error).message);
      throw error;
    }
  }
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    if (existsSync(stateFile)) return JSON.parse(readFileSync(stateFile, 'utf8')) as TestCluster;
    if (existsSync(failureFile)) throw new Error(readFileSync(failureFile, 'utf8'));
    await sleep(POLL_MS);
  }
  throw new Error('the test database did not start');
}

/**
 * Makes a database with the current schema, or as a copy of another one that nobody is connected to; resolves with its
 * connection string.
 */
export async function createTestDatabase(cluster: TestCluster, name: string, template = TEMPLATE): Promise<string> {
  await administrate(cluster, async (client) => {
    const { rows } = await client.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`);
    // Copying files is three times faster than the default for a small template; before version 15 it is the only way.
    const strategy = rows[0]!.version >= 150_000 ? ' STRATEGY file_copy' : '';
    await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${pg.escapeIdentifier(template)}${strategy}`);
  });
  return cluster.adminUrl.replace(/\/postgres$/, `/${name}`);
}

export async function dropTestDatabase(cluster: TestCluster, name: string): Promise<void> {
  await administrate(cluster, (client) => client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`));
}

/** Lets a database that was copied say that it is the one that it was copied from, as after a rollback of its disk. */
export async function disguiseTestDatabase(cluster: TestCluster, name: string): Promise<void> {
  await administrate(cluster, (client) => client.query(`UPDATE database_runs SET identity = '{}'`), name);
}

async function administrate(cluster: TestCluster, work: (client: pg.Client) => Promise<unknown>, database = 'postgres'): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.adminUrl.replace(/\/postgres$/, `/${database}`) });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** A folder can be made once, whoever tries. */
function isFirst(marker: string): boolean {
  try {
    mkdirSync(marker);
    return true;
  } catch {
    return false;
  }
}

async function startTestCluster(folder: string): Promise<TestCluster> {
  const cluster = await startPrivateCluster({
    dataDir: join(folder, 'data'),
    path: process.env['PATH'],
    progress: () => undefined,
    settings: {
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      max_connections: '500',
      autovacuum: 'off',
      max_wal_size: '4GB',
    },
  });
  await ensureDatabase(cluster, TEMPLATE);
  const dataSource = await openDataSource(cluster.url(TEMPLATE), { migrations: readMigrations(migrationsFolder()) });
  await migrate(dataSource);
  await dataSource.destroy();
  const authority = createCertificateAuthority(Date.now(), randomBytes);
  return { adminUrl: cluster.url('postgres'), folder, ca: authority.cert, tls: authority.issue(['localhost', '127.0.0.1', '::1']) };
}
