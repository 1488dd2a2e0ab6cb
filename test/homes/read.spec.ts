import { ReadSets } from '../../apps/homeserver/src/ephemeral/reads/read-sets.js';
import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isCaughtUp, isIn, join, reads, roomPath, say, settles } from './talk.js';

// What is read is a set of events, which says the same at every home, whatever the order in which they came there (protocol §4, "Read").
let network: LinkedNetwork;
let a: TestServer; let b: TestServer; let c: TestServer;
let bob: TestClient; let carol: TestClient;
let count = 0;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
  [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
  bob = await network.net.client(c).register('bob');
  carol = await network.net.client(a).register('carol');
  for (const server of [b, c]) await server.get(KeyRing).listed(a.name);
}, 90_000);
afterAll(() => network?.stop());
const heal = () => { for (const [x, y] of [[a, b], [a, c], [b, c]] as const) network.cut(x, y, 'open'); };
afterEach(heal);

/** Somebody at A, in a room with Bob at C and Carol at A. */
async function talking(): Promise<{ alice: Person; roomId: string }> {
  const alice = await Person.named(`alice${++count}`, a);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  await join(carol, roomId, a);
  return { alice, roomId };
}
async function unread(client: TestClient, roomId: string): Promise<Json> {
  return (await client.request('GET', '/v3/sync')).rooms.join[roomId]?.unread_notifications ?? {};
}
const read = (client: TestClient, roomId: string, eventId: string): Promise<Json> =>
  client.request('POST', `${roomPath(roomId)}/receipt/m.read.private/${encodeURIComponent(eventId)}`, {});
const shows = (client: TestClient, roomId: string, wanted: number) =>
  settles(async () => expect((await unread(client, roomId)).notification_count).toBe(wanted));

it('a home that is added shows as unread what the person has not read, and no more', async () => {
  const { alice, roomId } = await talking();
  const quiet = await createRoom(alice.at(a));
  await join(bob, quiet, a);
  await say(bob, quiet, 'never looked at');
  await say(bob, roomId, '1');
  await reads(carol, roomId, '1');
  const second = await say(carol, roomId, '2');
  await reads(bob, roomId, '2');
  await say(bob, roomId, '3');
  await reads(alice.at(a), roomId, '1', '2', '3');
  await reads(alice.at(a), quiet, 'never looked at');
  await read(alice.at(a), roomId, second);
  const atB = await alice.addHome(b, { through: a });
  for (const id of [roomId, quiet]) await isIn(atB, id);
  for (const client of [alice.at(a), atB]) for (const id of [roomId, quiet]) await shows(client, id, 1);
  await say(bob, roomId, '4');
  for (const client of [alice.at(a), atB]) await shows(client, roomId, 2);
}, 90_000);

it('homes that were apart count alike: what was read at one is read at the other, and nothing else', async () => {
  const { alice, roomId } = await talking();
  const atB = await alice.addHome(b, { through: a });
  await isIn(atB, roomId);
  await say(bob, roomId, 'ready');
  for (const client of [alice.at(a), atB]) await reads(client, roomId, 'ready');
  await isCaughtUp(alice, a, b);
  // A hears neither B nor C.
  for (const server of [b, c]) network.cut(a, server);
  await say(bob, roomId, 'seen at B only');
  await reads(atB, roomId, 'seen at B only');
  const own = await say(carol, roomId, 'seen at A only');
  await read(alice.at(a), roomId, own);
  await shows(alice.at(a), roomId, 0);
  await shows(atB, roomId, 2);
  heal();
  for (const client of [alice.at(a), atB]) await reads(client, roomId, 'seen at A only', 'seen at B only');
  // At A the one comes after what was read; at B before.
  for (const client of [alice.at(a), atB]) await shows(client, roomId, 1);
  const last = (await atB.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 1 } })).chunk[0].event_id;
  await read(atB, roomId, last);
  for (const client of [atB, alice.at(a)]) await shows(client, roomId, 0);
}, 90_000);

it('an emergency home knows from the room\'s replicas what the person has read there, and shows the rest as unread', async () => {
  const { alice, roomId } = await talking();
  const resident = await createRoom(alice.at(a));
  await join(bob, resident, a);
  // In one of the rooms there is somebody of the emergency home already.
  const dora = await network.net.client(b).register(`dora${count}`);
  await join(dora, resident, a);
  for (const id of [roomId, resident]) {
    const last = await say(bob, id, 'read up to here');
    await reads(alice.at(a), id, 'read up to here');
    await alice.at(a).request('POST', `${roomPath(id)}/receipt/m.read/${encodeURIComponent(last)}`, {});
    await settles(async () => {
      const { ephemeral } = (await bob.request('GET', '/v3/sync')).rooms.join[id];
      expect(JSON.stringify(ephemeral.events)).toContain(alice.userId);
    });
  }
  await say(bob, roomId, 'news');
  await say(bob, resident, 'news');
  await reads(dora, resident, 'news');
  await a.stop();
  try {
    const entry = await alice.offer(b);
    const rooms = { [roomId]: [c.name], [resident]: [c.name] };
    await alice.publish(alice.next({ add: [{ ...entry, priority: 0 }], drop: [a.name] }), b, { rooms, ...(await alice.proof(b)) });
    const atB = await alice.login(b);
    for (const id of [roomId, resident]) {
      await isIn(atB, id);
      await shows(atB, id, 1);
    }
  } finally {
    await a.start();
  }
}, 90_000);

it('a home that lies about what was read fills up nothing, and pushes nothing out', async () => {
  const { alice, roomId } = await talking();
  const last = await say(bob, roomId, 'last');
  await reads(alice.at(a), roomId, 'last');
  await read(alice.at(a), roomId, last);
  await shows(alice.at(a), roomId, 0);
  const sets = a.get(ReadSets);
  const fake = (n: number) => `$${String(n).padStart(43, 'f')}`;
  for (let i = 0; i < 5; i++) await sets.merge(alice.userId, roomId, '', Array.from({ length: 100 }, (_, n) => fake(100 * i + n)));
  await shows(alice.at(a), roomId, 0);
  for (let i = 0; i < 600; i++) await sets.merge(alice.userId, roomId, `$thread${i}`, [fake(i)]);
  expect([...(await sets.ofUser(alice.userId)).keys()].filter((key) => key.startsWith(roomId)).length).toBeLessThanOrEqual(500);
  await shows(alice.at(a), roomId, 0);
}, 90_000);

it('an emergency home shows what it has as unread, and says that there may be more', async () => {
  const { alice, roomId } = await talking();
  // More than an emergency home fetches at first.
  for (let i = 0; i < 130; i++) await say(bob, roomId, `message ${i}`);
  await reads(alice.at(a), roomId, 'message 129');
  await a.stop();
  try {
    const entry = await alice.offer(b);
    await alice.publish(alice.next({ add: [{ ...entry, priority: 0 }], drop: [a.name] }), b, { rooms: { [roomId]: [c.name] }, ...(await alice.proof(b)) });
    const atB = await alice.login(b);
    await isIn(atB, roomId);
    await settles(async () => expect((await unread(atB, roomId)).notification_count).toBeGreaterThanOrEqual(80));
    expect((await unread(atB, roomId))['io.partyline.partial']).toBe(true);
  } finally {
    await a.start();
  }
}, 90_000);
