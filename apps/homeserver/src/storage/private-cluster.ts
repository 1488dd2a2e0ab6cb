import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { chooseClusterPlace } from './cluster-place.js';
import { answers, environment, launch, stopProcess, type ClusterProcess } from './cluster-process.js';
import { clearStaleLocks, endOrphans, runningPostmaster } from './postmaster.js';
import { copyBinaries, findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.js';
import { prepareSocketFolder } from './socket-folder.js';
import type { ProcessIds } from './unprivileged-user.js';

const SUPERUSER = 'postgres';
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 30;

export interface ClusterOptions {
  /** The server's data folder; the cluster lives in it, or is pointed to from it (see cluster-place.ts). */
  readonly dataDir: string;
  /** The PATH variable, where an installed PostgreSQL is looked for. */
  readonly path: string | undefined;
  /** In place of those that this machine has; tests choose. */
  readonly binaries?: readonly PostgresBinaries[];
  /** Told what is done when it may take more than a second. */
  readonly progress: (what: string) => void;
  /** Server settings in place of the defaults, e.g. `{fsync: 'off'}` for tests. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Ends a start that is under way, which then rejects and leaves no process behind. */
  readonly signal?: AbortSignal | undefined;
}

/** A PostgreSQL of this server alone: it listens on a socket in a folder that only its user can enter. */
export interface PrivateCluster {
  /** PostgreSQL's data folder. */
  readonly folder: string;
  /** Connection string of one of its databases. */
  url(database: string): string;
  /** True when it was running already, left by a server that was killed. */
  readonly isAdopted: boolean;
  /** False when its process is gone, however that died. */
  isRunning(): boolean;
  /** Starts it again when its process is gone. @throws Error with a sentence for the operator */
  revive(): Promise<void>;
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
  const { progress, signal, settings = {} } = options;
  const place = chooseClusterPlace(options.dataDir);
  const { folder, ids } = place;
  const socketFolder = prepareSocketFolder(folder, ids);
  const url = (database: string): string => `postgresql://${SUPERUSER}@${encodeURIComponent(socketFolder)}/${database}`;
  let binaries: PostgresBinaries | undefined;
  const start = async (how: Pick<ClusterProcess, 'progress' | 'signal'>): Promise<number> => {
    binaries ??= chooseBinaries(options.binaries ?? findPostgresBinaries(options.path), folder, place.sharedFolder, ids);
    if (!existsSync(join(folder, 'PG_VERSION'))) {
      progress('making a database (once)');
      await initialise(binaries, folder, ids, settings['fsync'] === 'off', signal);
    }
    await endOrphans(folder);
    clearStaleLocks(folder, socketFolder);
    return launch({ binaries, folder, socketFolder, ids, url: url('postgres'), settings, ...how });
  };

  let pid = await waitForLeftOver(folder, url('postgres'), progress, signal);
  const isAdopted = pid !== null;
  pid ??= await start({ progress, signal });
  let postmaster = pid;
  return {
    folder,
    url,
    isAdopted,
    isRunning: () => runningPostmaster(folder) !== null,
    revive: async () => {
      if (!existsSync(join(folder, 'PG_VERSION'))) throw new Error(`The database folder ${folder} is gone. Restore it from a backup.`);
      postmaster = runningPostmaster(folder) ?? (await start({ progress: () => undefined }));
    },
    stop: () => stopProcess(postmaster, folder),
  };
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
async function waitForLeftOver(folder: string, url: string, progress: (what: string) => void, signal?: AbortSignal): Promise<number | null> {
  let pid = runningPostmaster(folder);
  if (pid === null) return null;
  for (let waited = 0; waited < START_TIMEOUT_MS && pid !== null; waited += POLL_MS) {
    signal?.throwIfAborted();
    if (await answers(url)) return pid;
    if (waited === 30 * POLL_MS) progress(`waiting for the database process ${pid} of an earlier run`);
    await sleep(POLL_MS);
    pid = runningPostmaster(folder);
  }
  if (pid === null) return null;
  throw new Error(`The database process ${pid} of an earlier run neither answers nor ends. Look at ${folder}.log, end the process, and start again.`);
}

function chooseBinaries(found: readonly PostgresBinaries[], folder: string, sharedFolder: string, ids: ProcessIds | null): PostgresBinaries {
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

async function initialise(binaries: PostgresBinaries, folder: string, ids: ProcessIds | null, noSync: boolean, signal?: AbortSignal): Promise<void> {
  // Made beside its place and renamed: a start that was killed here leaves no half cluster behind.
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  if (ids) chownSync(unfinished, ids.uid, ids.gid);
  // A group of its own, as initdb's child processes have to end with it.
  const child = spawn(
    binaries.initdb,
    ['-D', unfinished, '-U', SUPERUSER, '--auth=trust', '--encoding=UTF8', '--locale=C', ...(noSync ? ['--no-sync'] : [])],
    { ...ids, cwd: '/', env: environment(), detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const end = (): void => void (child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output = `${output}${String(chunk)}`.slice(-4_000)));
  signal?.addEventListener('abort', end, { once: true });
  const [code] = (await once(child, 'close').catch((error: Error) => [(output = error.message)])) as [unknown];
  signal?.removeEventListener('abort', end);
  if (signal?.aborted || code !== 0) rmSync(unfinished, { recursive: true, force: true });
  signal?.throwIfAborted();
  if (code !== 0) throw new Error(`The database could not be made: ${output.trim()}`);
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
}
