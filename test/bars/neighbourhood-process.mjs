// Servers that are silent or slow or talk nonsense, and clients that do what they like, in a process of their own: what they cost the
// processor is not what they cost those who are measured beside them. Started by neighbourhood.ts.
import { createPrivateKey, sign } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { createServer } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

const SLOW_MS = 14_000;
const PATIENCE_MS = 30_000;
/** Calls of one caller at a time, whatever becomes of them. */
const AT_ONCE = 20;
const agent = new Agent({ keepAlive: true });

const orders = {
  /** A server that shows its keys, and beyond that answers never, late, or the same nonsense to everything. */
  peer: ({ port, kind, keys, nonsense, tls }) => new Promise((resolve, reject) => {
    const server = createServer(tls, async (request, response) => {
      request.resume();
      const areKeys = request.url.startsWith('/_matrix/key/v2/server');
      if (!areKeys && kind === 'silent') return;
      if (!areKeys && kind === 'slow') await sleep(SLOW_MS);
      response.writeHead(200, { 'content-type': 'application/json' }).end(areKeys ? keys : nonsense);
    });
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve());
  }),
  /** Somebody who makes these calls without end, one kind after the other or all at once. */
  caller: async (order) => void callOn(order),
};

async function callOn({ url, everyMs, calls, token, signer }) {
  let running = 0;
  for (let i = 0; ; i++) {
    await sleep(everyMs * (0.5 + Math.random()));
    if (running >= AT_ONCE) continue;
    running++;
    call(url, calls[i % calls.length], token, signer).catch(() => undefined).finally(() => running--);
  }
}

function call(url, { method, path, body }, token, signer) {
  const uri = path.replaceAll('{random}', String(Math.random()));
  const content = body === undefined ? undefined : { ...body, ...(body.random && { random: String(Math.random()) }) };
  const authorization = token ? `Bearer ${token}` : signed(method, uri, content, signer);
  return new Promise((resolve, reject) => {
    const headers = { authorization, ...(content && { 'content-type': 'application/json' }) };
    const sent = httpRequest(url + uri, { method, agent, headers, timeout: PATIENCE_MS }, (answer) => answer.resume().once('end', resolve));
    sent.once('error', reject).once('timeout', () => sent.destroy(new Error('no answer')));
    sent.end(content && JSON.stringify(content));
  });
}

/** The header of a request between servers. */
function signed(method, uri, content, { origin, destination, keyId, pem }) {
  const text = canonical({ method, uri, origin, destination, ...(content && { content }) });
  const signature = sign(null, Buffer.from(text), createPrivateKey(pem)).toString('base64').replaceAll('=', '');
  return `X-Matrix origin="${origin}",destination="${destination}",key="${keyId}",sig="${signature}"`;
}

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}

process.on('message', ({ id, what, order }) => {
  orders[what](order).then(() => process.send({ id }), (error) => process.send({ id, error: String(error) }));
});
process.on('disconnect', () => process.exit());
