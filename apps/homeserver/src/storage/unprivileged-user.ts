import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Ids that a process is started with. */
export interface ProcessIds {
  readonly uid: number;
  readonly gid: number;
}

const CREATED_NAME = 'partyline-db';
/** `nobody` on nearly every system. */
const NOBODY: ProcessIds = { uid: 65_534, gid: 65_534 };

/**
 * The user that PostgreSQL runs as, which refuses to be root: null (this process's own) unless this process is root; then
 * `postgres`, else a user made for it, else `nobody`.
 */
export function unprivilegedUser(): ProcessIds | null {
  if (process.getuid?.() !== 0) return null;
  const existing = lookUp('postgres') ?? lookUp(CREATED_NAME);
  if (existing) return existing;
  spawnSync('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', '--user-group', CREATED_NAME], {
    stdio: 'ignore',
  });
  return lookUp(CREATED_NAME) ?? lookUp('nobody') ?? NOBODY;
}

function lookUp(name: string): ProcessIds | null {
  let users: string;
  try {
    users = readFileSync('/etc/passwd', 'utf8');
  } catch {
    return null;
  }
  for (const line of users.split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name && Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  return null;
}
