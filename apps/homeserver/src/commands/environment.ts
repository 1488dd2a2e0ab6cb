import { join } from 'node:path';
import { prepareDataFolder } from '../config/data-folder.js';
import { completeConfig, type Settings } from '../config/load-config.js';
import type { Config } from '../config/config.js';
import { registrationSecret } from '../config/registration-secret.js';
import { SettingsError } from '../config/settings-error.js';
import { readSigningKeyFile } from '../federation/keys/signing-key-file.js';
import { Random } from '../observability/random.js';
import { ClusterKeeper, freeBytes, MIN_FREE_BYTES } from '../storage/cluster-keeper.js';
import type { DatabaseHealth } from '../storage/database-health.js';
import type { DatabaseLock } from '../storage/database-lock.js';
import { openPrivateDatabase } from '../storage/private-database.js';

/** A configuration whose database answers. */
export interface Environment {
  readonly config: Config;
  /** Of a private database. */
  readonly lock?: DatabaseLock;
  /** Stops the private cluster, if that is what is used. */
  close(): Promise<void>;
}

/** How a start is accompanied. */
export interface EnvironmentOptions {
  /** Told what is done when it may take more than a second. */
  readonly progress: (what: string) => void;
  /** Told what is wrong with a private database, which is then watched for life; without, nobody watches. */
  readonly health?: DatabaseHealth;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal;
}

/**
 * Makes the data folder and what belongs into it, and starts the database where the operator named none.
 *
 * @throws Error with a sentence for the operator, before a database is made where it is about a setting
 */
export async function openEnvironment(settings: Settings, { progress, health, signal }: EnvironmentOptions): Promise<Environment> {
  const { dataDir } = settings;
  prepareDataFolder(dataDir);
  const random = new Random();
  await readSigningKeyFile(join(dataDir, 'signing.key'), random);
  const complete = { ...settings, registrationSecret: settings.registrationSecret ?? registrationSecret(dataDir, random) };
  if (settings.databaseUrl !== null) {
    return { config: completeConfig(complete, settings.databaseUrl), close: () => Promise.resolve() };
  }
  const free = await freeBytes(dataDir);
  if (free !== null && free < MIN_FREE_BYTES) {
    throw new SettingsError('PARTYLINE_DATA_DIR', `only ${Math.floor(free / 1_000_000)} MB are free on the disk of ${dataDir}; the database needs ${MIN_FREE_BYTES / 1_000_000} MB to start`);
  }
  const database = await openPrivateDatabase({ dataDir, path: process.env['PATH'], progress, signal });
  const keeper = health && new ClusterKeeper(database.cluster, health);
  await keeper?.begin();
  return {
    config: completeConfig(complete, database.url, database.folder),
    lock: database.lock,
    close: async () => {
      await keeper?.end();
      await database.close();
    },
  };
}
