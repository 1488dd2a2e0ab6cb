import { readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';

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
 * Removes the lock files of a PostgreSQL that is gone. PostgreSQL itself refuses to start when the number in them is that
 * of a living process, whichever it is. Call only when `runningPostmaster` is null.
 */
export function clearStaleLocks(folder: string, socketFolder: string): void {
  rmSync(join(folder, 'postmaster.pid'), { force: true });
  rmSync(join(socketFolder, '.s.PGSQL.5432'), { force: true });
  rmSync(join(socketFolder, '.s.PGSQL.5432.lock'), { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function isPostgresOn(pid: number, folder: string): boolean {
  try {
    // A process that has ended and was not waited for yet (its parent was killed) still has a pid.
    if (/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return false;
    // PostgreSQL changes into its data folder.
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') return isPostgresByName(pid);
    // No /proc on this system: believe the file.
    return process.platform !== 'linux';
  }
}

function isPostgresByName(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres');
  } catch {
    return false;
  }
}
