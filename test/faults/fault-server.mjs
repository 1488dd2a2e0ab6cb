// One server of the fault tests, in a process of its own. It is the build, as operators run it, except that the names of the
// other servers lead to links that the test can cut: FAULTS_LINKS is {"b.test": port, …}.
import process from 'node:process';
import { completeConfig, loadConfig } from '../../dist/apps/homeserver/src/config/load-config.js';
import { SystemResolver } from '../../dist/apps/homeserver/src/federation/outgoing/name-resolver.js';
import { Log } from '../../dist/apps/homeserver/src/observability/log.js';
import { startServer } from '../../dist/apps/homeserver/src/server.js';

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

const settings = loadConfig(process.env, process.cwd());
const server = await startServer(completeConfig(settings, settings.databaseUrl), {
  log: new Log(process.env.FAULTS_LOG ?? 'warn', { server: settings.serverName }),
});
process.stdout.write('listening\n');
const end = () => void server.stop().then(() => process.exit(0));
process.once('SIGTERM', end);
// The test was killed.
process.once('disconnect', end);
