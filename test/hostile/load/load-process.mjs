// One server of the load tests, in a process of its own so that its memory is its own. It is the build, as operators run it, except that it
// watches itself: over its channel it is told {reset: true}, and answers {report: true} with the longest time for which its event loop was
// busy at a stretch, in milliseconds of processor time (on a busy machine others run meanwhile), and the most memory that it took, in bytes.
import process from 'node:process';
import { completeConfig, loadConfig } from '../../../dist/apps/homeserver/src/config/load-config.js';
import { Log } from '../../../dist/apps/homeserver/src/observability/log.js';
import { startServer } from '../../../dist/apps/homeserver/src/server.js';

const TICK_MS = 5;
const busy = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
let last = busy();
let stallMs = 0;
let rss = 0;
setInterval(() => {
  const now = busy();
  stallMs = Math.max(stallMs, now - last);
  last = now;
  rss = Math.max(rss, process.memoryUsage.rss());
}, TICK_MS).unref();
process.on('message', (message) => {
  if (message.reset) {
    stallMs = 0;
    rss = 0;
    last = busy();
  }
  if (message.report) process.send({ stallMs: Math.round(stallMs), rss });
});

const settings = loadConfig(process.env, process.cwd());
const server = await startServer(completeConfig(settings, settings.databaseUrl), { log: new Log(process.env.PARTYLINE_TEST_LOG ?? 'error', { server: settings.serverName }) });
process.send({ listening: true });
const stop = () => void server.stop().then(() => process.exit(0));
process.once('SIGTERM', stop);
// The test was killed.
process.once('disconnect', stop);
