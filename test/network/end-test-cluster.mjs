import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Ends the cluster of a test run, if it was started, and deletes the run's folder. */
export async function endTestCluster(folder) {
  try {
    const pid = Number(readFileSync(join(folder, 'data/postgres/cluster/postmaster.pid'), 'utf8').split('\n')[0]);
    // Immediate shutdown: nothing in it is worth keeping.
    process.kill(pid, 'SIGQUIT');
    for (let i = 0; i < 500; i++) {
      process.kill(pid, 0);
      await sleep(10);
    }
  } catch {
    // It was never started, or it has ended.
  }
  // What the cluster started, or another run that ends it as well, may be at work there for a moment.
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}
