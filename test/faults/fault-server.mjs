// One server of the fault tests, in a process of its own. It is the build, as operators run it, except that
// - the names of the other servers lead to links that the test can cut: FAULTS_LINKS is {"b.test": port, …};
// - over its channel the test sets the wall clock: {clock: milliseconds ahead};
// - and has it die as by kill -9 on its way from storing to answering: {crash: {step, after}}, at that step of the next write but
//   `after`. The steps: `stored` (all statements of a transaction have run), `committed`, `told` (who waited for the commit was told),
//   `answering` (the answer to a write is about to leave), `answered` (it has been handed to the system).
import { ServerResponse } from 'node:http';
import process from 'node:process';
import { completeConfig, loadConfig } from '../../dist/apps/homeserver/src/config/load-config.js';
import { SystemResolver } from '../../dist/apps/homeserver/src/federation/outgoing/name-resolver.js';
import { Log } from '../../dist/apps/homeserver/src/observability/log.js';
import { Clock } from '../../dist/apps/homeserver/src/observability/clock.js';
import { startServer } from '../../dist/apps/homeserver/src/server.js';
import { Database } from '../../dist/apps/homeserver/src/storage/database.js';
import { Transaction } from '../../dist/apps/homeserver/src/storage/transaction.js';
import { trace } from './fault-trace.mjs';

const links = JSON.parse(process.env.FAULTS_LINKS);
const LINK_HOST = 'link.test';
const PREFIX = '_matrix-fed._tcp.';

SystemResolver.prototype.srv = async (name) => {
  const port = name.startsWith(PREFIX) ? links[name.slice(PREFIX.length)] : undefined;
  return port === undefined ? [] : [{ name: LINK_HOST, port, priority: 1, weight: 1 }];
};
SystemResolver.prototype.addresses = async (host) => {
  if (host !== LINK_HOST) throw Object.assign(new Error(`no such host: ${host}`), { code: 'ENOTFOUND' });
  return [{ address: '127.0.0.1', family: 4 }];
};

let aheadMs = 0;
let crash = null;
process.on('message', (message) => {
  if ('clock' in message) aheadMs = message.clock;
  if ('crash' in message) crash = message.crash;
});
Clock.prototype.now = () => Date.now() + aheadMs;

function at(step) {
  if (crash?.step !== step || crash.after-- > 0) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; nothing more is done.
  for (;;);
}
const { transaction } = Database.prototype;
Database.prototype.transaction = function (work) {
  return transaction.call(this, async (tx) => {
    const result = await work(tx);
    at('stored');
    return result;
  });
};
const { committed } = Transaction.prototype;
Transaction.prototype.committed = function () {
  at('committed');
  committed.call(this);
  at('told');
};
const { end } = ServerResponse.prototype;
ServerResponse.prototype.end = function (...args) {
  const isWrite = this.req.method === 'PUT' || this.req.method === 'POST';
  if (isWrite) at('answering');
  const result = end.apply(this, args);
  if (isWrite) this.once('finish', () => at('answered'));
  return result;
};

if (process.env.FAULTS_TRACE) trace(process.env.FAULTS_TRACE);

const settings = loadConfig(process.env, process.cwd());
const server = await startServer(completeConfig(settings, settings.databaseUrl), {
  log: new Log(process.env.FAULTS_LOG ?? 'warn', { server: settings.serverName }),
});
process.stdout.write('listening\n');
const stop = () => void server.stop().then(() => process.exit(0));
process.once('SIGTERM', stop);
// The test was killed.
process.once('disconnect', stop);
