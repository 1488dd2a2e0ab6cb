import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ensureDatabase, startPrivateCluster, type ClusterOptions } from './private-cluster.js';

const DATABASE = 'partyline';
/** Key of the advisory lock that a server holds on its private database as long as it lives ("serve" in ASCII, cut). */
const LOCK_KEY = 0x73657276;
/** A server that was asked to stop needs up to this long. */
const LOCK_TIMEOUT_MS = 10_000;
const POLL_MS = 100;

/** The database of a server that was not given one. */
export interface PrivateDatabase {
  readonly url: string;
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
  const cluster = await startPrivateCluster(options);
  let isOwned = false;
  let client: pg.Client | undefined;
  try {
    await ensureDatabase(cluster, DATABASE);
    client = new pg.Client({ connectionString: cluster.url(DATABASE), keepAlive: true });
    client.on('error', () => undefined);
    await client.connect();
    isOwned = await lock(client, options.progress);
    if (!isOwned) throw new Error(`Another server is running on the data folder ${options.dataDir}.`);
    const holder = client;
    return {
      url: cluster.url(DATABASE),
      close: async () => {
        await holder.end().catch(() => undefined);
        await cluster.stop();
      },
    };
  } catch (error) {
    await client?.end().catch(() => undefined);
    if (isOwned || !cluster.isAdopted) await cluster.stop();
    throw error;
  }
}

async function lock(client: pg.Client, progress: (what: string) => void): Promise<boolean> {
  for (let waited = 0; waited <= LOCK_TIMEOUT_MS; waited += POLL_MS) {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [LOCK_KEY]);
    if (rows[0]!.locked) return true;
    if (waited === 0) progress('waiting for another server on this data folder to end');
    await sleep(POLL_MS);
  }
  return false;
}
