import { FirstRunAdmin } from '../auth/first-run-admin.js';
import { loadConfig } from '../config/load-config.js';
import { Clock } from '../observability/clock.js';
import { Log } from '../observability/log.js';
import { settleMemory } from '../observability/process-memory.js';
import { startServer, type RunningServer } from '../server.js';
import { DatabaseHealth } from '../storage/database-health.js';
import { openEnvironment, type Environment } from './environment.js';
import { withFreeAddresses } from './free-addresses.js';
import { OperatorDoor } from './operator-door.js';
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
  const interruption = new AbortController();
  void asked.then((reason) => interruption.abort(new Error(reason)));
  const progress = (what: string): void => void process.stderr.write(`${what} …\n`);
  const settings = await withFreeAddresses(loadConfig(process.env, process.cwd()));
  const log = new Log(settings.logLevel, { server: settings.serverName });
  const health = new DatabaseHealth(log);
  let environment: Environment;
  try {
    environment = await openEnvironment(settings, { progress, health, signal: interruption.signal });
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    process.stdout.write(`stopped (${await asked}) before it listened\n`);
    return 0;
  }
  try {
    const door = OperatorDoor.of(environment.config);
    const server = await startServer(environment.config, { log, health, operatorSocket: door.socket, lock: environment.lock });
    try {
      door.open();
      process.stdout.write(`listening ${addresses(server).join(' ')}\n${await welcome(server)}\n`);
      void settleMemory();
      const asking = asked.then((reason) => ({ reason, status: 0 }));
      const { reason, status } = await Promise.race([asking, server.ended.then((sentence) => ({ reason: sentence, status: 1 }))]);
      process.stdout.write(`stopping (${reason}) …\n`);
      if (status !== 0) process.stderr.write(`partyline: ${reason}\n`);
      return status;
    } finally {
      door.close();
      await stopInTime(server, log);
    }
  } finally {
    await environment.close();
  }
}

function addresses({ config, httpPort, httpsPort }: RunningServer): string[] {
  // The name works where a loopback address is among them; otherwise only an address does.
  const [first] = config.bind;
  const isLocal = config.bind.some((address) => /^(127\.|::1$|0\.0\.0\.0$|::$)/.test(address));
  const host = isLocal ? 'localhost' : first!.includes(':') ? `[${first}]` : first;
  const found: string[] = [];
  if (httpPort !== null) found.push(`http://${host}:${httpPort}`);
  if (httpsPort !== null) found.push(`https://${host}:${httpsPort}`);
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
