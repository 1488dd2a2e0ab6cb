import { mkdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { completeConfig, type Settings } from '../config/load-config.js';
import type { Config } from '../config/config.js';
import { registrationSecret } from '../config/registration-secret.js';
import { Random } from '../observability/random.js';
import { openPrivateDatabase } from '../storage/private-database.js';

/** A configuration whose database answers. */
export interface Environment {
  readonly config: Config;
  /** Stops the private cluster, if that is what is used. */
  close(): Promise<void>;
}

/** Makes the data folder and starts the database where the operator named none. */
export async function openEnvironment(settings: Settings, progress: (what: string) => void): Promise<Environment> {
  // Others may pass through (the database's user, when this is root) but not look.
  mkdirSync(settings.dataDir, { recursive: true, mode: 0o711 });
  const complete = {
    ...settings,
    registrationSecret: settings.registrationSecret ?? registrationSecret(settings.dataDir, new Random()),
  };
  if (settings.databaseUrl !== null) {
    return { config: completeConfig(complete, settings.databaseUrl), close: () => Promise.resolve() };
  }
  const database = await openPrivateDatabase({ dataDir: settings.dataDir, path: process.env['PATH'], progress });
  return { config: completeConfig(complete, database.url, database.folder), close: () => database.close() };
}

/** Replaces port 0 by a free port, because the public address has to be known before the server listens. */
export async function withChosenPort(settings: Settings): Promise<Settings> {
  if (settings.httpPort !== 0) return settings;
  const httpPort = await new Promise<number>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, settings.bind[0], () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
  return { ...settings, httpPort, publicUrl: settings.publicUrl.replace(/:0$/, `:${httpPort}`) };
}
