import { spawn } from 'node:child_process';
import { closeSync, existsSync, fchownSync, fstatSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { PostgresBinaries } from './postgres-binaries.js';
import { runningPostmaster } from './postmaster.js';
import type { ProcessIds } from './unprivileged-user.js';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 30;
/** A log of an earlier run that is larger than this is dropped at the start. */
const MAX_LOG_BYTES = 10_000_000;

/** What a cluster's process is started with. */
export interface ClusterProcess {
  readonly binaries: PostgresBinaries;
  /** PostgreSQL's data folder. */
  readonly folder: string;
  readonly socketFolder: string;
  /** Whom it runs as; null for this process's own user. */
  readonly ids: ProcessIds | null;
  /** Connection string by which it is asked whether it answers. */
  readonly url: string;
  /** Server settings in place of the defaults. */
  readonly settings: Readonly<Record<string, string>>;
  readonly progress: (what: string) => void;
  /** Ends what was started and rejects. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts PostgreSQL as a process group of its own, so that a Ctrl-C reaches the server first, which then stops it.
 *
 * @returns its pid, when it answers
 * @throws Error with a sentence that holds the last word of its log; nothing is left running then, unless it was only slow
 */
export async function launch({ binaries, folder, socketFolder, ids, url, settings, progress, signal }: ClusterProcess): Promise<number> {
  const logFile = `${folder}.log`;
  if (existsSync(logFile) && statSync(logFile).size > MAX_LOG_BYTES) rmSync(logFile);
  const log = openSync(logFile, 'a', 0o600);
  const logStart = fstatSync(log).size;
  if (ids) fchownSync(log, ids.uid, ids.gid);
  const all = {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    log_checkpoints: 'off',
    logging_collector: 'off',
    max_connections: '100',
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(binaries.postgres, ['-D', folder, ...args], { ...ids, cwd: '/', env: environment(), detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  const failed = new Promise<never>((_, reject) => {
    const fail = (reason: string): void => reject(new Error(`The database did not start (${reason}). Its log is ${logFile}.`));
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code, signalName) => fail(firstProblem(logFile, logStart) ?? `exit ${code ?? signalName}`));
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  failed.catch(() => undefined);
  // The cluster outlives a killed server; it must not keep a finished one alive.
  child.unref();
  let isSlow = false;
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    try {
      signal?.throwIfAborted();
      if (await Promise.race([answers(url), failed])) {
        // From now on it is not its start that fails.
        child.removeAllListeners('exit');
        return child.pid!;
      }
      await Promise.race([sleep(POLL_MS), failed]);
    } catch (error) {
      if (signal?.aborted) await stopProcess(child.pid!, folder);
      throw error;
    }
    if (waited > 1_000 && !isSlow) {
      isSlow = true;
      progress('waiting for the database');
    }
  }
  throw new Error(`The database did not answer within ${START_TIMEOUT_MS / 1000} s. Its log is ${logFile}.`);
}

/** True when a connection is taken and a statement answered. */
export async function answers(url: string): Promise<boolean> {
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

/** Fast shutdown: connections are ended, everything committed is on disk. */
export async function stopProcess(pid: number, folder: string): Promise<void> {
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
export function environment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

/** What PostgreSQL wrote first as the reason of its end, such as `could not write to file …: No space left on device`. */
function firstProblem(logFile: string, from: number): string | undefined {
  const lines = readFileSync(logFile).subarray(from).toString('utf8').split('\n');
  // Those who ask whether it answers are told that it is starting up.
  return lines.find((line) => /\b(ERROR|FATAL|PANIC): +(?! |the database system is )/.test(line))?.replace(/^.*?\b(?:ERROR|FATAL|PANIC): +/, '');
}
