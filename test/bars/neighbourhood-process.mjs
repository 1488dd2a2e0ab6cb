// Servers that are silent or slow, and clients that write, in a process of their own: what they cost the processor is not what
// they cost those who are measured beside them. Started by neighbourhood.ts.
import { createServer } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

const SLOW_MS = 14_000;
const PATIENCE_MS = 20_000;

const orders = {
  /** A server that shows its keys, and beyond that never answers, or late. */
  peer: ({ port, kind, keys, tls }) => new Promise((resolve, reject) => {
    const server = createServer(tls, async (request, response) => {
      request.resume();
      const areKeys = request.url.startsWith('/_matrix/key/v2/server');
      if (!areKeys && kind === 'silent') return;
      if (!areKeys) await sleep(SLOW_MS);
      response.writeHead(200, { 'content-type': 'application/json' }).end(areKeys ? keys : '{}');
    });
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve());
  }),
  /** A client that writes without end, one after the other, whatever becomes of it. */
  writer: async ({ url, token, everyMs }) => void writeOn(url, token, everyMs),
};

async function writeOn(url, token, everyMs) {
  for (;;) {
    await sleep(everyMs * (0.5 + Math.random()));
    const body = JSON.stringify({ n: String(Math.random()) });
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    await fetch(url, { method: 'PUT', headers, body, signal: AbortSignal.timeout(PATIENCE_MS) }).then((answer) => answer.text()).catch(() => undefined);
  }
}

process.on('message', ({ id, what, order }) => {
  orders[what](order).then(() => process.send({ id }), (error) => process.send({ id, error: String(error) }));
});
process.on('disconnect', () => process.exit());
