import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseLock } from './database-lock.js';
import { ensureDatabase, startPrivateCluster, type ClusterOptions, type PrivateCluster } from './private-cluster.js';

const DATABASE = 'partyline';
/** A server that was asked to stop needs up to this long. */
const LOCK_TIMEOUT_MS = 10_000;
const POLL_MS = 100;

/** The database of a server that was not given one. */
export interface PrivateDatabase {
  readonly url: string;
  /** PostgreSQL's data folder. */
  readonly folder: string;
  readonly cluster: PrivateCluster;
  /** Held until the cluster is down. */
  readonly lock: DatabaseLock;
  /** Stops the cluster. */
  close(): Promise<void>;
}

/**
 * Starts or adopts the data folder's cluster, for one server at a time: a lock in the database itself, which ends with the
 * connection of its holder, however that died. (A lock file would outlive a kill.)
 *
 * @throws Error with a sentence for the operator
 */
export async function openPrivateDatabase(options: ClusterOptions): Promise<PrivateDatabase> {
  let isWaiting = false;
  let who = 'another server';
  for (let waited = 0; waited <= LOCK_TIMEOUT_MS; waited += POLL_MS) {
    options.signal?.throwIfAborted();
    const cluster = await startPrivateCluster(options);
    const result = await takeOver(cluster);
    if (result !== 'stopping' && result !== 'in use') {
      // The lock is held until the cluster is down: whoever waits for it must not use a cluster that is about to stop.
      const close = async (): Promise<void> => {
        result.leave();
        await cluster.stop();
        await result.release();
      };
      return { url: cluster.url(DATABASE), folder: cluster.folder, cluster, lock: result, close };
    }
    if (!isWaiting) options.progress('waiting for another server on this data folder to end');
    if (result === 'in use' && !isWaiting) who = await DatabaseLock.holder(cluster.url(DATABASE)).catch(() => who);
    isWaiting = true;
    await sleep(POLL_MS);
  }
  throw new Error(`The data folder ${options.dataDir} is in use by ${who}: end that one first, or set PARTYLINE_DATA_DIR to another folder.`);
}

/** 'stopping' when its holder stops the cluster at this moment. */
async function takeOver(cluster: PrivateCluster): Promise<DatabaseLock | 'in use' | 'stopping'> {
  try {
    await ensureDatabase(cluster, DATABASE);
    return (await DatabaseLock.tryTake(cluster.url(DATABASE))) ?? 'in use';
  } catch (error) {
    if (cluster.isAdopted) return 'stopping';
    await cluster.stop();
    throw error;
  }
}
