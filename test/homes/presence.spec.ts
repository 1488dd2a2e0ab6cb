import { OwnPresence } from '../../apps/homeserver/src/ephemeral/presence/own-presence.js';
import { PresenceEdus } from '../../apps/homeserver/src/ephemeral/presence/presence-edus.js';
import { Presences } from '../../apps/homeserver/src/ephemeral/presence/presences.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { TravellingClock } from '../network/travelling-clock.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, join, roomPath } from './talk.js';
import { twoHomes } from './two-homes.js';

// Presence between servers, and of an account with two homes (protocol §4, "Presence").
let net: Network;
let clock: TravellingClock;
let a: TestServer; let b: TestServer; let c: TestServer;
let carol: TestClient;

beforeEach(async () => {
  clock = new TravellingClock();
  net = await Network.start({ servers: ['a', 'b', 'c'], config: { presence: true }, clock });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
  carol = await net.client(c).register('carol');
}, 60_000);
afterEach(() => net.stop());

const path = (userId: string): string => `/v3/presence/${encodeURIComponent(userId)}/status`;
const set = (client: TestClient, presence: string, more: Json = {}): Promise<Json> => client.request('PUT', path(client.userId), { presence, ...more });
const sees = (reader: TestClient, userId: string, presence: string): Promise<unknown> =>
  eventually(async () => (await reader.request('GET', path(userId))).presence === presence, 20_000);
const look = (client: TestClient, query: Json = {}): Promise<Json> => client.request('GET', '/v3/sync', undefined, { query: { set_presence: 'offline', ...query } });

it('is told to servers that share a room, to new ones in it, and ends where it is not told again', async () => {
  const dan = await net.client(a).register('dan');
  await set(dan, 'online', { status_msg: 'At work' });
  const roomId = await createRoom(dan, { room_version: '12' });
  await join(carol, roomId, a);
  await sees(carol, dan.userId, 'online');
  const { next_batch: since, presence } = await look(carol);
  expect(presence.events.find(({ sender }: Json) => sender === dan.userId).content).toMatchObject({ presence: 'online', status_msg: 'At work' });
  const poll = look(carol, { since, timeout: 60_000 });
  await set(dan, 'unavailable');
  expect((await poll).presence.events).toEqual([expect.objectContaining({ sender: dan.userId, content: expect.objectContaining({ presence: 'unavailable' }) })]);
  // Who is still there is told again in time; who is not heard of goes.
  clock.aheadMs += 25 * 60_000;
  await set(dan, 'online');
  await sees(carol, dan.userId, 'online');
  clock.aheadMs += 25 * 60_000;
  await set(dan, 'online');
  a.get(PresenceEdus).tellAgain();
  await eventually(async () => (await carol.request('GET', path(dan.userId))).last_active_ago < 20 * 60_000, 20_000);
  clock.aheadMs += 10 * 60_000;
  c.get(Presences).expire();
  await sees(carol, dan.userId, 'online');
  clock.aheadMs += 21 * 60_000;
  c.get(Presences).expire();
  await sees(carol, dan.userId, 'offline');
}, 60_000);

it('of an account with two homes is that of both, at the homes and elsewhere, and outlives either', async () => {
  const alice = await twoHomes('alice', a, b);
  const roomId = await createRoom(alice.at(a));
  await join(carol, roomId, a);
  await isIn(alice.at(b), roomId);
  await set(alice.at(b), 'online', { status_msg: 'On my second home' });
  for (const client of [alice.at(a), alice.at(b), carol]) await sees(client, alice.userId, 'online');
  expect((await carol.request('GET', path(alice.userId))).status_msg).toBe('On my second home');
  await set(alice.at(a), 'unavailable');
  await set(alice.at(b), 'offline');
  for (const client of [alice.at(a), alice.at(b), carol]) await sees(client, alice.userId, 'unavailable');
  // The home of the name dies: what the other one says goes on to be told.
  await a.crash();
  await set(alice.at(b), 'online');
  await sees(carol, alice.userId, 'online');
  await set(alice.at(b), 'offline');
  await sees(alice.at(b), alice.userId, 'unavailable');
  clock.aheadMs += 31 * 60_000;
  for (const server of [b, c]) {
    server.get(OwnPresence).look();
    server.get(Presences).expire();
  }
  for (const client of [alice.at(b), carol]) await sees(client, alice.userId, 'offline');
}, 90_000);

it('of its own users only is taken from a server', async () => {
  const [dan, hostile] = [await net.client(c).register('dan'), await HostileServer.start()];
  try {
    const roomId = await createRoom(carol, { room_version: '12' });
    await dan.request('POST', `${roomPath(roomId)}/join`, {});
    const alice = await twoHomes('alice', a, b);
    await join(alice.at(a), await createRoom(carol), c);
    const say = (userId: string, more: Json = {}): Json => ({ user_id: userId, presence: 'online', last_active_ago: 5, ...more });
    const strange = [null, 7, [], {}, { user_id: 7 }, say(hostile.user('nobody')), say(dan.userId), say(alice.userId), say('@x:example.org'), say(dan.userId, { presence: 'everywhere' })];
    await hostile.send(c, [], [{ edu_type: 'm.presence', content: { push: strange } }, { edu_type: 'm.presence', content: { push: 'all' } }, { edu_type: 'm.presence', content: {} }]);
    expect((await carol.request('GET', path(dan.userId))).presence).toBe('offline');
    expect((await carol.request('GET', path(alice.userId))).presence).toBe('offline');
    await carol.expectError(403, 'M_FORBIDDEN', 'GET', path(hostile.user('nobody')));
    expect(JSON.stringify((await look(carol)).presence ?? {})).not.toContain('online');
  } finally {
    await hostile.stop();
  }
}, 60_000);
