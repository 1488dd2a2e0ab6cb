import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, openSync, closeSync, fchownSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { chooseClusterPlace } from './cluster-place.js';
import { clearStaleLocks, runningPostmaster } from './postmaster.js';
import { copyBinaries, findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.js';
import { prepareSocketFolder } from './socket-folder.js';
import type { ProcessIds } from './unprivileged-user.js';

const SUPERUSER = 'postgres';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 30;
/** A log of an earlier run that is larger than this is dropped at the start. */
const MAX_LOG_BYTES = 10_000_000;

export interface ClusterOptions {
  /** The server's data folder; the cluster lives in it, or is pointed to from it (see cluster-place.ts). */
  readonly dataDir: string;
  /** The PATH variable, where an installed PostgreSQL is looked for. */
  readonly path: string | undefined;
  /** Told what is done when it may take more than a second. */
  readonly progress: (what: string) => void;
  /** Server settings in place of the defaults, e.g. `{fsync: 'off'}` for tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A PostgreSQL of this server alone: it listens on a socket in a folder that only its user can enter. */
export interface PrivateCluster {
  /** PostgreSQL's data folder. */
  readonly folder: string;
  /** Connection string of one of its databases. */
  url(database: string): string;
  /** True when it was running already, left by a server that was killed. */
  readonly isAdopted: boolean;
  /** Fast shutdown: connections are ended, everything committed is on disk. */
  stop(): Promise<void>;
}

/**
 * Makes the data folder's cluster if there is none, and starts it, or adopts it where it is still running. It is a process
 * group of its own, so that a Ctrl-C reaches the server first, which then stops it.
 *
 * @throws Error with a sentence for the operator
 */
export async function startPrivateCluster(options: ClusterOptions): Promise<PrivateCluster> {
  const place = chooseClusterPlace(options.dataDir);
  const { folder, ids } = place;
  const socketFolder = prepareSocketFolder(folder, ids);
  const url = (database: string): string => `postgresql://${SUPERUSER}@${encodeURIComponent(socketFolder)}/${database}`;

  let pid = await waitForLeftOver(folder, url('postgres'), options.progress);
  const isAdopted = pid !== null;
  if (pid === null) {
    const binaries = chooseBinaries(options.path, place.folder, place.sharedFolder, ids);
    if (!existsSync(join(folder, 'PG_VERSION'))) {
      options.progress('making a database (once)');
      initialise(binaries, folder, ids, options.settings?.['fsync'] === 'off');
    }
    clearStaleLocks(folder, socketFolder);
    pid = await launch(binaries, folder, socketFolder, ids, options, url('postgres'));
  }
  const postmaster = pid;
  return { folder, url, isAdopted, stop: () => stop(postmaster, folder) };
}

/** Creates the database if it is missing. */
export async function ensureDatabase(cluster: PrivateCluster, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.url('postgres') });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}

/** The pid of a cluster that is up; waits for one that is on its way up or down. */
async function waitForLeftOver(folder: string, url: string, progress: (what: string) => void): Promise<number | null> {
  let pid = runningPostmaster(folder);
  if (pid === null) return null;
  for (let waited = 0; waited < START_TIMEOUT_MS && pid !== null; waited += POLL_MS) {
    if (await answers(url)) return pid;
    if (waited === 30 * POLL_MS) progress(`waiting for the database process ${pid} of an earlier run`);
    await sleep(POLL_MS);
    pid = runningPostmaster(folder);
  }
  if (pid === null) return null;
  throw new Error(`The database process ${pid} of an earlier run neither answers nor ends. Look at ${folder}.log, end the process, and start again.`);
}

function chooseBinaries(path: string | undefined, folder: string, sharedFolder: string, ids: ProcessIds | null): PostgresBinaries {
  const found = findPostgresBinaries(path);
  const versionFile = join(folder, 'PG_VERSION');
  const needed = existsSync(versionFile) ? Number(readFileSync(versionFile, 'utf8')) : null;
  const fitting = found.filter((binaries) => needed === null || binaries.major === needed);
  for (const binaries of fitting) {
    if (canRun(binaries, ids)) return binaries;
    if (binaries.packageRoot !== null) return copyBinaries(binaries, join(sharedFolder, `postgresql-${binaries.major}`));
  }
  if (needed !== null) {
    throw new Error(`The database in ${folder} was made by PostgreSQL ${needed}, which this machine does not have any more. Install it, or set DATABASE_URL.`);
  }
  throw new Error('No PostgreSQL was found. Install one (Debian: apt install postgresql), or set DATABASE_URL.');
}

function canRun(binaries: PostgresBinaries, ids: ProcessIds | null): boolean {
  return ids === null || spawnSync(binaries.initdb, ['--version'], { ...ids, cwd: '/', stdio: 'ignore' }).status === 0;
}

function initialise(binaries: PostgresBinaries, folder: string, ids: ProcessIds | null, noSync: boolean): void {
  // Made beside its place and renamed: a start that was killed here leaves no half cluster behind.
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  if (ids) chownSync(unfinished, ids.uid, ids.gid);
  const result = spawnSync(
    binaries.initdb,
    ['-D', unfinished, '-U', SUPERUSER, '--auth=trust', '--encoding=UTF8', '--locale=C', ...(noSync ? ['--no-sync'] : [])],
    { ...ids, cwd: '/', env: environment(), encoding: 'utf8' },
  );
  if (result.status !== 0) {
    throw new Error(`The database could not be made: ${(result.stderr || result.error?.message || result.stdout || '').trim()}`);
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
}

async function launch(
  binaries: PostgresBinaries,
  folder: string,
  socketFolder: string,
  ids: ProcessIds | null,
  options: ClusterOptions,
  url: string,
): Promise<number> {
  const logFile = `${folder}.log`;
  if (existsSync(logFile) && statSync(logFile).size > MAX_LOG_BYTES) rmSync(logFile);
  const log = openSync(logFile, 'a', 0o600);
  if (ids) fchownSync(log, ids.uid, ids.gid);
  const settings = {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    log_checkpoints: 'off',
    logging_collector: 'off',
    max_connections: '100',
    ...options.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(binaries.postgres, ['-D', folder, ...args], {
    ...ids,
    cwd: '/',
    env: environment(),
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const failed = new Promise<never>((_, reject) => {
    const fail = (reason: string): void => reject(new Error(`The database did not start (${reason}). Its log is ${logFile}.`));
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code, signal) => fail(`exit ${code ?? signal}`));
  });
  failed.catch(() => undefined);
  // The cluster outlives a killed server; it must not keep a finished one alive.
  child.unref();
  let isSlow = false;
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    if (await Promise.race([answers(url), failed])) return child.pid!;
    await Promise.race([sleep(POLL_MS), failed]);
    if (waited > 1_000 && !isSlow) {
      isSlow = true;
      options.progress('waiting for the database');
    }
  }
  throw new Error(`The database did not answer within ${START_TIMEOUT_MS / 1000} s. Its log is ${logFile}.`);
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function stop(pid: number, folder: string): Promise<void> {
  for (const [signal, timeout] of [['SIGINT', STOP_TIMEOUT_MS], ['SIGQUIT', STOP_TIMEOUT_MS]] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    for (let waited = 0; waited < timeout; waited += POLL_MS) {
      if (runningPostmaster(folder) !== pid) return;
      await sleep(POLL_MS);
    }
  }
}

/** PostgreSQL's own environment: none of the operator's locale or PG* variables. */
function environment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}
