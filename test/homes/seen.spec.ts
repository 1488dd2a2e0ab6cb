import { Person } from '../network/person.js';
import { eventually } from '../network/eventually.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, reads, say, texts } from './talk.js';

// What the client of an emergency home has seen decides which replicas are waited for (protocol §3, "Moving in").
let network: LinkedNetwork;
let a: TestServer; let b: TestServer; let c: TestServer; let d: TestServer; let e: TestServer;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c', 'd', 'e']);
  [a, b, c, d, e] = network.servers as [TestServer, TestServer, TestServer, TestServer, TestServer];
}, 90_000);
afterAll(() => network?.stop());

it('waits for the replica that has what the client has seen, also after a restart', async () => {
  const alice = await Person.named('alice', a);
  const bob = await network.net.client(c).register('bob');
  const others = [await network.net.client(d).register('dan'), await network.net.client(e).register('eve')];
  const roomId = await createRoom(alice.at(a));
  for (const client of [bob, ...others]) await join(client, roomId, a);
  await say(bob, roomId, 'ready');
  for (const client of [alice.at(a), ...others]) await reads(client, roomId, 'ready');
  for (const server of [d, e]) network.cut(a, server);
  const last = await say(alice.at(a), roomId, 'seen by the client');
  await reads(bob, roomId, 'seen by the client');
  for (const client of others) expect(await texts(client, roomId)).not.toContain('seen by the client');
  const entry = await alice.offer(b);
  await a.stop();
  for (const server of [c, d, e]) network.link(b, server).set('refused');
  await alice.publish(alice.next({ add: [entry], drop: [a.name] }), b, { rooms: { [roomId]: [d.name, e.name, c.name] }, seen: { [roomId]: [last] }, ...(await alice.proof(b)) });
  await b.stop();
  await b.start();
  const client = await alice.login(b);
  network.link(b, c).set('stalled');
  for (const server of [d, e]) network.link(b, server).set('open');
  const answers = setTimeout(() => network.link(b, c).set('open'), 1_800);
  await isIn(client, roomId);
  clearTimeout(answers);
  network.link(b, c).set('open');
  expect(await texts(client, roomId)).toContain('seen by the client');
}, 60_000);
