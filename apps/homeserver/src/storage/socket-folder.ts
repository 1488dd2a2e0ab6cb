import { createHash } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIds } from './unprivileged-user.js';

/** `sun_path` holds 107 bytes and a NUL; `/.s.PGSQL.5432.lock` is the longest name in the folder. */
const MAX_FOLDER_BYTES = 107 - '/.s.PGSQL.5432.lock'.length;

/**
 * Makes the folder of a cluster's socket: beside the cluster, or in /tmp where that path is too long for a socket. Only the
 * database's user and root can enter it, which is what makes a password unnecessary.
 *
 * @throws when the folder in /tmp belongs to somebody else
 */
export function prepareSocketFolder(clusterFolder: string, ids: ProcessIds | null): string {
  const beside = `${clusterFolder}.socket`;
  const hash = createHash('sha256').update(clusterFolder).digest('hex').slice(0, 16);
  const folder = Buffer.byteLength(beside) <= MAX_FOLDER_BYTES ? beside : join('/tmp', `partyline-${hash}`);
  const owner = ids?.uid ?? process.getuid?.() ?? 0;
  try {
    mkdirSync(folder, { mode: 0o700 });
    if (ids) chownSync(folder, ids.uid, ids.gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const stat = lstatSync(folder);
    if (!stat.isDirectory() || stat.uid !== owner) {
      throw new Error(`${folder} belongs to another user; delete it and start again`);
    }
    chmodSync(folder, 0o700);
  }
  return folder;
}
