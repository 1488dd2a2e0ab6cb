import { Bus } from '../../apps/homeserver/src/bus/bus.js';
import { LastWordsSpread } from '../../apps/homeserver/src/homes/attach/last-words-spread.js';
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
  // Longer than an event takes from one to another on a busy machine: turns that cross make two of them.
  for (const server of [b, c, d, e]) server.get(LastWordsSpread).turnMs = 3_000;
  await alice.publish(alice.next({ drop: [a.name] }), b);
  for (const client of [dan, alice.at(b)]) await reads(client, roomId, 'last words');
  await settles(async () => {
    const { chunk } = await dan.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 20 } });
    const carried = chunk.filter((event: { sender: string; content: object }) => 'io.partyline.carries' in event.content && [bob.userId, eve.userId].includes(event.sender));
    expect(carried).toHaveLength(1);
  });
}, 60_000);

it('a server that stops before its turn takes it when it starts again', async () => {
  const erin = await Person.named('erin', e);
  await erin.addHome(b);
  const fred = await network.net.client(c).register('fred');
  const gus = await network.net.client(d).register('gus');
  const roomId = await createRoom(erin.at(e));
  for (const client of [fred, gus]) await join(client, roomId, e);
  await isIn(erin.at(b), roomId);
  await say(fred, roomId, 'all ready');
  for (const client of [erin.at(e), erin.at(b), gus]) await reads(client, roomId, 'all ready');
  network.cut(e, d);
  network.cut(e, b);
  await say(erin.at(e), roomId, 'words for one');
  await reads(fred, roomId, 'words for one');
  await e.stop();
  const died = new Promise<void>((resolve) => {
    c.get(Bus).subscribe((message) => {
      if (message.kind !== 'room' || message.roomId !== roomId || !message.events.some(({ event }) => event.pdu.sender === erin.userId)) return;
      void c.crash().then(resolve);
    });
  });
  await erin.publish(erin.next({ drop: [e.name] }), b);
  await died;
  expect(await texts(gus, roomId)).not.toContain('words for one');
  await c.start();
  for (const client of [gus, erin.at(b)]) await reads(client, roomId, 'words for one');
}, 60_000);
