import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ORPHAN_TIMEOUT_MS = 5_000;
const POLL_MS = 30;

/**
 * The pid of the PostgreSQL that runs on a cluster folder; null when none does. `postmaster.pid` alone does not tell: after
 * a crash of the machine or in a new container its number may belong to any process.
 */
export function runningPostmaster(folder: string): number | null {
  let pid: number;
  try {
    pid = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0]);
  } catch {
    return null;
  }
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isAlive(pid)) return null;
  return isPostgresOn(pid, folder) ? pid : null;
}

/**
 * Ends what a killed postmaster left at work: each of its processes ends by itself, but one in the middle of a query only after that.
 * They still write to the folder, so that nobody else may start on it before. Call only when `runningPostmaster` is null.
 *
 * @throws Error with a sentence for the operator
 */
export async function endOrphans(folder: string): Promise<void> {
  for (const signal of ['SIGQUIT', 'SIGKILL'] as const) {
    for (const pid of orphansOn(folder)) endProcess(pid, signal);
    for (let waited = 0; waited < ORPHAN_TIMEOUT_MS; waited += POLL_MS) {
      if (orphansOn(folder).length === 0) return;
      await sleep(POLL_MS);
    }
  }
  throw new Error(`Processes of an earlier database are still at work in ${folder} and do not end: ${orphansOn(folder).join(', ')}.`);
}

/**
 * Removes the lock files of a PostgreSQL that is gone. PostgreSQL itself refuses to start when the number in them is that
 * of a living process, whichever it is. Call only when `runningPostmaster` is null.
 */
export function clearStaleLocks(folder: string, socketFolder: string): void {
  rmSync(join(folder, 'postmaster.pid'), { force: true });
  rmSync(join(socketFolder, '.s.PGSQL.5432'), { force: true });
  rmSync(join(socketFolder, '.s.PGSQL.5432.lock'), { force: true });
}

/** Processes of a postmaster that is gone; none where the system does not tell. They name themselves `postgres: what they do`. */
function orphansOn(folder: string): number[] {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  return names.map(Number).filter((pid) => {
    if (!Number.isSafeInteger(pid) || !procFile(pid, 'cmdline').startsWith('postgres: ') || !isPostgresOn(pid, folder, false)) return false;
    const parent = Number(/^PPid:\s+(\d+)/m.exec(procFile(pid, 'status'))?.[1]);
    // One that is at its beginning has no lock file yet, but children.
    return !isPostgresOn(parent, folder, false);
  });
}

function endProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** @param unknown what to say of a process of somebody else, whose folder cannot be seen */
function isPostgresOn(pid: number, folder: string, unknown = isPostgresByName(pid)): boolean {
  try {
    // A process that has ended and was not waited for yet (its parent was killed) still has a pid.
    if (/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return false;
    // PostgreSQL changes into its data folder.
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') return unknown;
    // No /proc on this system: believe the file.
    return process.platform !== 'linux';
  }
}

function isPostgresByName(pid: number): boolean {
  return procFile(pid, 'comm').startsWith('postgres');
}

/** Empty for a process that is gone, or whose system has no /proc. */
function procFile(pid: number, name: 'cmdline' | 'comm' | 'status'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
