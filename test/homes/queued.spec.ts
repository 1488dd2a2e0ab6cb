import { Person } from '../network/person.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, reads, roomPath, say, settles } from './talk.js';

// What was queued for a server while it was in the room reaches it, though it is out of the room by then (protocol §3, "Delivery").
let network: LinkedNetwork;
let a: TestServer; let b: TestServer; let c: TestServer;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
  [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
}, 60_000);
afterAll(() => network?.stop());

const membership = async (client: TestClient, roomId: string): Promise<string> => {
  const sync = await client.request('GET', '/v3/sync', undefined, { query: { filter: '{"room":{"include_leave":true}}' } });
  return Object.entries(sync.rooms ?? {}).find(([, rooms]) => Object.keys(rooms as object).includes(roomId))?.[0] ?? 'unknown';
};

it('a ban whose author left before it spread reaches the other home of the banned person, with what it rests upon', async () => {
  const alice = await Person.named('alice', a);
  const bob = await Person.named('bob', b);
  await bob.addHome(c);
  const roomId = await createRoom(alice.at(a));
  await join(bob.at(b), roomId, a);
  await isIn(bob.at(c), roomId);
  await say(alice.at(a), roomId, 'ready');
  for (const server of [b, c]) await reads(bob.at(server), roomId, 'ready');
  network.cut(a, c);
  network.cut(b, c);
  await say(alice.at(a), roomId, 'before the ban');
  await alice.at(a).request('POST', `${roomPath(roomId)}/ban`, { user_id: bob.userId });
  await alice.at(a).request('POST', `${roomPath(roomId)}/leave`, {});
  await settles(async () => expect(await membership(bob.at(b), roomId)).toBe('leave'));
  // What it remembers of before is not what it is asked about.
  await a.stop();
  await a.start();
  // Only this direction: C cannot ask for what it lacks.
  network.link(a, c).set('open');
  await settles(async () => expect(await membership(bob.at(c), roomId)).toBe('leave'));
});
