import { createHmac } from 'node:crypto';
import { WebSocket } from 'ws';
import { SyncNotifier } from '../../apps/homeserver/src/sync/notify/sync-notifier.js';
import { eventually } from '../network/eventually.js';
import { Network, REGISTRATION_SECRET } from '../network/network.js';
import type { RawResponse, TestClient } from '../network/test-client.js';
import { WrongClock } from '../network/travelling-clock.js';

// Whoever waits learns of the end of his session at once, not with the next news.
let net: Network;
let admin: TestClient;
const HOUR_MS = 3_600_000;

const clock = new WrongClock();
beforeAll(async () => {
  net = await Network.start({ clock });
  admin = net.client();
  const { nonce } = await admin.request('GET', '/_synapse/admin/v1/register');
  const mac = createHmac('sha1', REGISTRATION_SECRET).update(`${nonce}\0root\0x long enough\0admin`).digest('hex');
  admin.accessToken = (await admin.request('POST', '/_synapse/admin/v1/register', { nonce, username: 'root', password: 'x long enough', admin: true, mac })).access_token;
});
afterAll(() => net.stop());

/** Waits for news in both ways that there are, and in the old one. */
async function waits(client: TestClient): Promise<{ readonly polls: Promise<RawResponse>[]; readonly closed: () => number | null }> {
  const { next_batch: since } = await client.request('GET', '/v3/sync');
  const notifier = net.server('a').get(SyncNotifier);
  const before = notifier.waiting;
  const polls = [
    client.raw('GET', '/v3/sync', undefined, { query: { since, timeout: 50_000 } }),
    client.raw('GET', '/v3/events', undefined, { query: { from: since, timeout: 50_000 } }),
  ];
  let closed: number | null = null;
  const socket = new WebSocket(`${net.server('a').url.replace(/^http/, 'ws')}/_matrix/client/unstable/io.partyline/ws?access_token=${client.accessToken}`);
  let frames = 0;
  socket.on('message', () => void frames++);
  socket.on('close', (code) => void (closed = code));
  await eventually(() => notifier.waiting === before + 2 && frames === 1);
  return { polls, closed: () => closed };
}

const answers = async (polls: Promise<RawResponse>[]) => (await Promise.all(polls)).map(({ status, body }) => [status, body.errcode, body.soft_logout]);

it.each([
  ['is locked', 'M_USER_LOCKED', true, (client: TestClient) => admin.request('PUT', `/v1/admin/lock/${encodeURIComponent(client.userId)}`, { locked: true })],
  ['logs out', 'M_UNKNOWN_TOKEN', undefined, (client: TestClient) => client.request('POST', '/v3/logout', {})],
])('an account that %s gets no answer of its waiting syncs', async (how, errcode, soft, end) => {
  const client = await net.client().register(how.replaceAll(' ', '.'));
  const { polls, closed } = await waits(client);
  await end(client);
  expect(await answers(polls)).toEqual([[401, errcode, soft], [401, errcode, soft]]);
  await eventually(() => closed() === 4401);
});

it('a token that expires ends what waits with it', async () => {
  await net.client().register('expiring');
  const client = await net.client().login('expiring', undefined, { refresh_token: true });
  // All but its last seconds have passed, in which everything has to begin to wait.
  clock.aheadMs = HOUR_MS - 6_000;
  try {
    const { polls, closed } = await waits(client);
    expect(await answers(polls)).toEqual([[401, 'M_UNKNOWN_TOKEN', true], [401, 'M_UNKNOWN_TOKEN', true]]);
    await eventually(() => closed() === 4401);
  } finally {
    clock.aheadMs = 0;
  }
});
