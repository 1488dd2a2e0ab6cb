import { FirstRunAdmin } from '../auth/first-run-admin.js';
import { loadConfig } from '../config/load-config.js';
import { Clock } from '../observability/clock.js';
import { Log } from '../observability/log.js';
import { startServer, type RunningServer } from '../server.js';
import { openEnvironment, withChosenPort } from './environment.js';
import { stopSignal } from './stop-signal.js';

/** A server that cannot flush its queues within this time is ended without; what was acknowledged is in the database. */
const STOP_TIMEOUT_MS = 4_500;

/**
 * Runs the server until it is asked to end. Prints `listening <urls>` on stdout when it takes requests.
 *
 * @returns exit status
 */
export async function serve(): Promise<number> {
  const asked = stopSignal(() => new Clock().now());
  const progress = (what: string): void => void process.stderr.write(`${what} …\n`);
  const settings = await withChosenPort(loadConfig(process.env, process.cwd()));
  const environment = await openEnvironment(settings, progress);
  try {
    const log = new Log('info', { server: settings.serverName });
    const server = await startServer(environment.config, { log });
    process.stdout.write(`listening ${addresses(server).join(' ')}\n${await welcome(server)}\n`);
    const reason = await asked;
    process.stdout.write(`stopping (${reason}) …\n`);
    await stopInTime(server, log);
    return 0;
  } finally {
    await environment.close();
  }
}

function addresses(server: RunningServer): string[] {
  const found: string[] = [];
  if (server.httpPort !== null) found.push(`http://localhost:${server.httpPort}`);
  if (server.httpsPort !== null) found.push(`https://localhost:${server.httpsPort}`);
  return found;
}

/** What a person does next. */
async function welcome(server: RunningServer): Promise<string> {
  const { config } = server;
  const setup = await server.app.get(FirstRunAdmin, { strict: false }).link();
  const next =
    setup === undefined
      ? [`  Open ${config.publicUrl} in a browser, or enter that address as the homeserver of any Matrix client.`]
      : ['  It has no account yet. Make the first one, the administrator, at this address (it works once):', `  ${setup}`];
  return ['', `  Partyline serves ${config.serverName}.`, ...next, '  Ctrl-C stops it.', ''].join('\n');
}

async function stopInTime(server: RunningServer, log: Log): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), STOP_TIMEOUT_MS);
  });
  const result = await Promise.race([server.stop(), late]);
  clearTimeout(timer);
  if (result === 'late') log.warn('the server did not stop in time', { timeoutMs: STOP_TIMEOUT_MS });
}
