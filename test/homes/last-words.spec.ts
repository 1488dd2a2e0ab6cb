import { Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, reads, roomPath, say, settles, texts } from './talk.js';

// What a home said last, before it died and was dropped, spreads though nobody speaks (protocol §3, "Delivery").
let network: LinkedNetwork;
let a: TestServer; let b: TestServer; let c: TestServer; let d: TestServer; let e: TestServer;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c', 'd', 'e']);
  [a, b, c, d, e] = network.servers as [TestServer, TestServer, TestServer, TestServer, TestServer];
}, 90_000);
afterAll(() => network?.stop());

it('a server that had missed a dead home’s last words shows them without anybody speaking, and one server sees to it', async () => {
  const alice = await Person.named('alice', a);
  await alice.addHome(b);
  const bob = await network.net.client(c).register('bob');
  const eve = await network.net.client(e).register('eve');
  const dan = await network.net.client(d).register('dan');
  const roomId = await createRoom(alice.at(a));
  for (const client of [bob, eve, dan]) await join(client, roomId, a);
  await isIn(alice.at(b), roomId);
  await say(bob, roomId, 'ready');
  for (const client of [alice.at(a), alice.at(b), eve, dan]) await reads(client, roomId, 'ready');
  network.cut(a, d);
  network.cut(a, b);
  await say(alice.at(a), roomId, 'last words');
  for (const client of [bob, eve]) await reads(client, roomId, 'last words');
  await a.stop();
  expect(await texts(dan, roomId)).not.toContain('last words');
  await alice.publish(alice.next({ drop: [a.name] }), b);
  for (const client of [dan, alice.at(b)]) await reads(client, roomId, 'last words');
  // More than one only where their turns crossed.
  await settles(async () => {
    const { chunk } = await dan.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 20 } });
    const carried = chunk.filter((event: { sender: string; content: object }) => 'io.partyline.carries' in event.content && [bob.userId, eve.userId].includes(event.sender));
    expect(carried).toHaveLength(1);
  });
}, 60_000);
