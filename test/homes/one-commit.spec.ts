import { Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, reads, roomPath, say, settles, state } from './talk.js';

// Events that arrive together are resolved like those that arrive one by one.
let network: LinkedNetwork;
beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
}, 60_000);
afterAll(() => network?.stop());

it('a leave that the next event of the same transaction takes back counts in the resolution', async () => {
  const [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
  const alice = await Person.named('alice', a);
  const roomId = await createRoom(alice.at(a));
  const bob = await network.net.client(c).register('bob');
  await join(bob, roomId, a);
  // So that B holds the room all the time.
  await join(await network.net.client(b).register('dan'), roomId, a);
  await isIn(await alice.addHome(b), roomId);
  await say(bob, roomId, 'ready');
  for (const client of [alice.at(a), alice.at(b)]) await reads(client, roomId, 'ready');
  for (const [one, other] of [[a, b], [a, c], [b, c]] as const) network.cut(one, other);
  const topic = (server: TestServer, text: string) => alice.at(server).request('PUT', `${roomPath(roomId)}/state/m.room.topic/`, { topic: text });
  await topic(b, 'before the leave');
  await alice.at(b).request('POST', `${roomPath(roomId)}/leave`, {});
  await topic(a, 'beside the leave');
  await alice.at(b).request('POST', `${roomPath(roomId)}/join`, {});
  for (const [one, other] of [[a, b], [a, c], [b, c]] as const) network.cut(one, other, 'open');
  await say(alice.at(b), roomId, 'from b');
  await say(alice.at(a), roomId, 'from a');
  for (const client of [alice.at(a), alice.at(b), bob]) await reads(client, roomId, 'from a', 'from b');
  const shown = async () => Promise.all([alice.at(a), alice.at(b), bob].map(async (client) => (await state(client, roomId, 'm.room.topic')).topic));
  await settles(async () => expect(await shown()).toEqual(['before the leave', 'before the leave', 'before the leave']));
}, 60_000);
