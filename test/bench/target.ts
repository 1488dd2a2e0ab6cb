import type { ServerOptions } from './options.ts';
import type { PartylineProcess } from './partyline-process.ts';
import { listeningProcess, processUse } from './server-process.ts';
import type { ProcessUse } from './server-process.ts';
import { World } from './world.ts';

/** A server under load: where it is, and what is known of its process and database. */
export interface Target {
  name: string;
  url: string;
  secret: string;
  databaseUrl: string | null;
  world: World;
  /** Restarts the server; null when nobody told how. Resolves when it answers, with the milliseconds that took. */
  restart: (() => Promise<number>) | null;
  /** Starts another one on an empty data folder and ends it; null when it was not started here. Milliseconds. */
  firstStart: (() => Promise<number>) | null;
  /** Memory and CPU now; null when the process cannot be seen. */
  use(): ProcessUse | null;
  /** Ends connections, and the server if it was started here. */
  close(): Promise<void>;
}

/**
 * A server that runs already.
 * @param restart how to restart it, from `--restart`
 */
export function runningTarget(
  name: string, url: string, options: ServerOptions, prefix: string, restart: Target['restart'],
): Target {
  const port = Number(new URL(url).port || (url.startsWith('https') ? 443 : 80));
  const world = new World(url, options.secret, prefix);
  return {
    name, url, secret: options.secret, databaseUrl: options.databaseUrl, world, restart, firstStart: null,
    use: () => {
      const pid = options.pid ?? listeningProcess(port);
      return pid === null ? null : processUse(pid);
    },
    close: async () => world.close(),
  };
}

/** Partyline, started by the benchmark. */
export function startedTarget(name: string, server: PartylineProcess, prefix: string): Target {
  const world = new World(server.url, server.secret, prefix);
  return {
    name,
    url: server.url,
    secret: server.secret,
    databaseUrl: server.databaseUrl,
    world,
    restart: () => server.restart(),
    firstStart: () => server.firstStart(),
    use: () => processUse(server.pid),
    close: async () => {
      await world.close();
      await server.stop();
    },
  };
}
