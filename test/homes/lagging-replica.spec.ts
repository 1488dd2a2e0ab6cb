import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, reads, roomPath, say, settles, state, texts } from './talk.js';
import { eventually } from '../network/eventually.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

// Nobody is hostile here. One replica lags behind when a home dies, and the emergency home comes in through it.
let network: LinkedNetwork;
let a: TestServer; let b: TestServer; let c: TestServer; let d: TestServer;
beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c', 'd']);
  [a, b, c, d] = network.servers as [TestServer, TestServer, TestServer, TestServer];
}, 90_000);
afterAll(() => network?.stop());
const bans = async (client: TestClient, roomId: string, userId: string) => (await state(client, roomId, 'm.room.member', userId)).membership;

it('what a home did before it died stands, although the emergency home came in through a server that had not heard of it', async () => {
  const alice = await Person.named('alice', a);
  const bob = await network.net.client(c).register('bob');
  const dan = await network.net.client(d).register('dan');
  const mallory = await network.net.client(d).register('mallory');
  const roomId = await createRoom(alice.at(a));
  for (const client of [bob, dan, mallory]) await join(client, roomId, a);
  await alice.at(a).request('PUT', `${roomPath(roomId)}/state/m.room.topic/`, { topic: 'old' });
  await say(bob, roomId, 'ready');
  for (const client of [dan, alice.at(a)]) await reads(client, roomId, 'ready');
  await eventually(async () => (await state(dan, roomId, 'm.room.topic')).topic === 'old');
  // D hears nothing of A for a while.
  network.cut(a, d);
  await alice.at(a).request('POST', `${roomPath(roomId)}/ban`, { user_id: mallory.userId });
  await alice.at(a).request('PUT', `${roomPath(roomId)}/state/m.room.topic/`, { topic: 'new' });
  await alice.at(a).request('PUT', `${roomPath(roomId)}/state/m.room.join_rules/`, { join_rule: 'invite' });
  const told: Json = await alice.at(a).request('PUT', `${roomPath(roomId)}/send/m.room.message/last`, { body: 'last words', msgtype: 'm.text' }, { query: { 'io.partyline.replicas': 2 } });
  await reads(bob, roomId, 'last words');
  const before = { ban: await bans(bob, roomId, mallory.userId), topic: (await state(bob, roomId, 'm.room.topic')).topic, rule: (await state(bob, roomId, 'm.room.join_rules')).join_rule };
  expect({ ...before, replicas: told['io.partyline.replicas'] }).toEqual({ ban: 'ban', topic: 'new', rule: 'invite', replicas: [a.name, c.name] });
  const entry = await alice.offer(b);
  await a.stop();
  await alice.publish(alice.next({ add: [entry], drop: [a.name] }), b, { rooms: { [roomId]: [d.name, c.name] }, ...(await alice.proof(b)) });
  const client = await alice.login(b);
  await isIn(client, roomId);
  for (let i = 0; i < 3; i++) { await say(client, roomId, `b${i}`); await say(bob, roomId, `c${i}`); await dan.raw('PUT', `${roomPath(roomId)}/send/m.room.message/d${i}`, { body: `d${i}`, msgtype: 'm.text' }); }
  await reads(bob, roomId, 'b2');
  const shown = async (who: TestClient) => (await texts(who, roomId)).includes('last words');
  const words = async () => ({ c: await shown(bob), b: await shown(client), d: await shown(dan) });
  const after = async (who: TestClient) => ({ ban: await bans(who, roomId, mallory.userId), topic: (await state(who, roomId, 'm.room.topic')).topic, rule: (await state(who, roomId, 'm.room.join_rules')).join_rule });
  await settles(async () => expect({ words: await words(), c: await after(bob), b: await after(client), d: await after(dan) })
    .toEqual({ words: { c: true, b: true, d: true }, c: before, b: before, d: before }));
}, 60_000);

it('what a home did before it died stands when it is dropped at the other home, which had not heard of it', async () => {
  network.cut(a, d, 'open');
  await a.start();
  // The links of a server that was started anew are gone from its own resolver; only what it hears matters for B and C below.
  const erin = await Person.named('erin', b);
  const bob = await network.net.client(c).register('bob2');
  const mallory = await network.net.client(c).register('mallory2');
  await erin.addHome(d, { through: b });
  const roomId = await createRoom(erin.at(b));
  for (const client of [bob, mallory]) await join(client, roomId, b);
  await isIn(erin.at(d), roomId);
  await say(bob, roomId, 'ready');
  for (const server of [b, d]) await reads(erin.at(server), roomId, 'ready');
  network.cut(b, d);
  await erin.at(b).request('POST', `${roomPath(roomId)}/ban`, { user_id: mallory.userId });
  const told: Json = await erin.at(b).request('PUT', `${roomPath(roomId)}/send/m.room.message/last`, { body: 'last words', msgtype: 'm.text' }, { query: { 'io.partyline.replicas': 2 } });
  await reads(bob, roomId, 'last words');
  await b.stop();
  await erin.publish(erin.next({ drop: [b.name] }), d);
  for (let i = 0; i < 3; i++) { await say(erin.at(d), roomId, `d${i}`); await say(bob, roomId, `c${i}`); }
  await reads(bob, roomId, 'd2');
  await reads(erin.at(d), roomId, 'c2');
  await settles(async () => expect({
    told: told['io.partyline.replicas'].length, atC: await bans(bob, roomId, mallory.userId), atD: await bans(erin.at(d), roomId, mallory.userId),
    ownLastWords: (await texts(erin.at(d), roomId)).includes('last words'), atCLastWords: (await texts(bob, roomId)).includes('last words'),
  }).toEqual({ told: 2, atC: 'ban', atD: 'ban', ownLastWords: true, atCLastWords: true }));
}, 60_000);
