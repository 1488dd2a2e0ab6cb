import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unprivilegedUser, type ProcessIds } from './unprivileged-user.js';

/** Where root's clusters go when their user cannot reach the data folder. */
const SHARED_FOLDER = '/var/lib/partyline';
/** In the data folder: the path of a cluster that is somewhere else. */
const POINTER_FILE = 'postgres-folder';

export interface ClusterPlace {
  /** PostgreSQL's data folder; it may not exist yet, its parent does and belongs to the user. */
  readonly folder: string;
  /** The user that it runs as; null for this process's own. */
  readonly ids: ProcessIds | null;
  /** A folder that this user can reach, for copies of the programs. */
  readonly sharedFolder: string;
}

/**
 * Where the cluster of a data folder is. The same for ever once it is made: in the data folder, unless this process is root
 * and the data folder is out of reach of an unprivileged user (below /root, or a temporary folder of root).
 */
export function chooseClusterPlace(dataDir: string): ClusterPlace {
  mkdirSync(dataDir, { recursive: true });
  const real = realpathSync(dataDir);
  const inside = join(real, 'postgres', 'cluster');
  const pointer = join(real, POINTER_FILE);
  if (existsSync(pointer)) return existing(readFileSync(pointer, 'utf8').trim());
  if (existsSync(inside)) return existing(inside);

  const ids = unprivilegedUser();
  if (ids === null || canEnter(real, ids)) return prepare(inside, ids);
  mkdirSync(SHARED_FOLDER, { recursive: true, mode: 0o755 });
  const hash = createHash('sha256').update(real).digest('hex').slice(0, 16);
  const place = prepare(join(SHARED_FOLDER, hash, 'cluster'), ids);
  writeFileSync(pointer, `${place.folder}\n`);
  return place;
}

function prepare(folder: string, ids: ProcessIds | null): ClusterPlace {
  const parent = dirname(folder);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  if (ids) chownSync(parent, ids.uid, ids.gid);
  return { folder, ids, sharedFolder: ids ? SHARED_FOLDER : parent };
}

/** A cluster is run by the user who owns it, whoever that was when it was made. */
function existing(folder: string): ClusterPlace {
  const own = process.getuid?.() ?? 0;
  const owner = existsSync(folder) ? statSync(folder) : existsSync(dirname(folder)) ? statSync(dirname(folder)) : null;
  if (owner === null) throw new Error(`The database folder ${folder} is gone. Restore it from a backup, or delete the data folder to start anew.`);
  if (owner.uid !== own && own !== 0) {
    throw new Error(`The database in ${folder} belongs to another user (uid ${owner.uid}): start the server as that user or as root.`);
  }
  const ids = owner.uid === own ? null : { uid: owner.uid, gid: owner.gid };
  return { folder, ids, sharedFolder: ids ? SHARED_FOLDER : dirname(folder) };
}

function canEnter(folder: string, ids: ProcessIds): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...ids, cwd: '/', stdio: 'ignore' }).status === 0;
}
