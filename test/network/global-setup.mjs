import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endTestCluster } from './end-test-cluster.mjs';

const PREFIX = 'partyline-test-';

/** Makes the folder of this run. The first suite that needs a database starts it there (test-cluster.ts). */
export default async function globalSetup() {
  const root = tmpdir();
  for (const name of readdirSync(root)) {
    const pid = Number(name.slice(PREFIX.length));
    // A run that was killed left its cluster behind.
    if (name.startsWith(PREFIX) && pid > 0 && !isAlive(pid)) await endTestCluster(join(root, name));
  }
  const folder = join(root, `${PREFIX}${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  // The database's user, which is not root, has to pass through.
  chmodSync(folder, 0o755);
  process.env.PARTYLINE_TEST_FOLDER = folder;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
