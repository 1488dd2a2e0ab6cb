import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ensureDatabase, startPrivateCluster, type ClusterOptions, type PrivateCluster } from './private-cluster.js';

const DATABASE = 'partyline';
/** Key of the advisory lock that a server holds on its private database as long as it lives ("serve" in ASCII, cut). */
const LOCK_KEY = 0x73657276;
/** A server that was asked to stop needs up to this long. */
const LOCK_TIMEOUT_MS = 10_000;
const POLL_MS = 100;

/** The database of a server that was not given one. */
export interface PrivateDatabase {
  readonly url: string;
  /** PostgreSQL's data folder. */
  readonly folder: string;
  readonly cluster: PrivateCluster;
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
  for (let waited = 0; waited <= LOCK_TIMEOUT_MS; waited += POLL_MS) {
    options.signal?.throwIfAborted();
    const cluster = await startPrivateCluster(options);
    const result = await takeOver(cluster);
    if (result !== 'stopping' && result !== 'in use') {
      // The lock is held until the cluster is down: whoever waits for it must not use a cluster that is about to stop.
      return { url: cluster.url(DATABASE), folder: cluster.folder, cluster, close: () => cluster.stop().then(() => void result.end().catch(() => undefined)) };
    }
    if (!isWaiting) options.progress('waiting for another server on this data folder to end');
    isWaiting = true;
    await sleep(POLL_MS);
  }
  throw new Error(`Another server is running on the data folder ${options.dataDir}.`);
}

/** Takes the lock; the connection holds it. 'stopping' when its holder stops the cluster at this moment. */
async function takeOver(cluster: PrivateCluster): Promise<pg.Client | 'in use' | 'stopping'> {
  const client = new pg.Client({ connectionString: cluster.url(DATABASE), keepAlive: true });
  // Also when the cluster is stopped under it.
  client.on('error', () => undefined);
  try {
    await ensureDatabase(cluster, DATABASE);
    await client.connect();
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [LOCK_KEY]);
    if (rows[0]!.locked) return client;
    await client.end();
    return 'in use';
  } catch (error) {
    await client.end().catch(() => undefined);
    if (cluster.isAdopted) return 'stopping';
    await cluster.stop();
    throw error;
  }
}
