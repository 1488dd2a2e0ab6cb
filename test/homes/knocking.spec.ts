import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { eventually } from '../network/eventually.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isCaughtUp, isIn, join, roomPath, settles, state } from './talk.js';

// Knocks at portable rooms by an account with two homes that do not always hear each other (protocol §4, "Invitations").
let network: LinkedNetwork;
let a: TestServer; let b: TestServer; let c: TestServer;
let alice: Person; let bob: TestClient;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
  [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
  alice = await Person.named('alice', a);
  await alice.addHome(b, { through: a });
  bob = await network.net.client(c).register('bob');
  // A name is proven before its domain is away.
  for (const server of [b, c]) await server.get(KeyRing).listed(a.name);
  await isCaughtUp(alice, a, b);
  await isCaughtUp(alice, b, a);
}, 90_000);
afterAll(() => network?.stop());
const heal = () => { for (const [x, y] of [[a, b], [a, c], [b, c]] as const) network.cut(x, y, 'open'); };
afterEach(heal);

const room = (more: Json = {}): Promise<string> =>
  createRoom(bob, { preset: 'private_chat', name: 'Tea', initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }], ...more });
const rooms = async (client: TestClient): Promise<Json> => (await client.request('GET', '/v3/sync')).rooms ?? {};
const shows = (client: TestClient, section: 'knock' | 'invite', roomId: string, is = true) => eventually(async () => (roomId in ((await rooms(client))[section] ?? {})) === is, 20_000);
const knock = (client: TestClient, roomId: string, ...via: TestServer[]): Promise<Json> =>
  client.request('POST', `/v3/knock/${encodeURIComponent(roomId)}`, {}, { query: { via: via.map((server) => server.name) } });
const is = (membership: string, roomId: string, userId = alice.userId, at = bob) =>
  settles(async () => expect((await state(at, roomId, 'm.room.member', userId)).membership).toBe(membership));

it('one is seen at both homes, and accepted at either', async () => {
  const roomId = await room();
  await knock(alice.at(a), roomId, c);
  await shows(alice.at(b), 'knock', roomId);
  const { knock_state: { events } } = (await rooms(alice.at(b))).knock[roomId];
  expect(events.find((event: Json) => event.type === 'm.room.name').content.name).toBe('Tea');
  await bob.request('POST', `${roomPath(roomId)}/invite`, { user_id: alice.userId });
  for (const server of [a, b]) {
    await shows(alice.at(server), 'invite', roomId);
    await shows(alice.at(server), 'knock', roomId, false);
  }
  await alice.at(b).request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {});
  for (const server of [a, b]) await isIn(alice.at(server), roomId);
}, 90_000);

it('while a home is away the other knocks, is turned away, and tells it later', async () => {
  for (const server of [b, c]) network.cut(a, server);
  const [refusedId, openId] = [await room(), await room()];
  for (const roomId of [refusedId, openId]) await knock(alice.at(b), roomId, c);
  await bob.request('POST', `${roomPath(refusedId)}/kick`, { user_id: alice.userId });
  await shows(alice.at(b), 'knock', refusedId, false);
  await shows(alice.at(b), 'knock', openId);
  heal();
  await shows(alice.at(a), 'knock', openId);
  await isCaughtUp(alice, a, b);
  expect((await rooms(alice.at(a))).knock?.[refusedId]).toBeUndefined();
}, 90_000);

it('one that a home has sent is taken back through the other, which was never in touch with the room', async () => {
  const roomId = await room();
  await knock(alice.at(a), roomId, c);
  await shows(alice.at(b), 'knock', roomId);
  for (const server of [b, c]) network.cut(a, server);
  await alice.at(b).request('POST', `${roomPath(roomId)}/leave`, {});
  await is('leave', roomId);
  heal();
  await shows(alice.at(a), 'knock', roomId, false);
}, 90_000);

it('one at a room that one of the homes holds is shown at the other, and taken back there', async () => {
  const erin = await Person.named('erin', b);
  const roomId = await room();
  await bob.request('POST', `${roomPath(roomId)}/invite`, { user_id: erin.userId });
  await join(erin.at(b), roomId, c);
  await knock(alice.at(b), roomId);
  await shows(alice.at(a), 'knock', roomId);
  await is('knock', roomId);
  await alice.at(a).request('POST', `${roomPath(roomId)}/leave`, {});
  await is('leave', roomId);
  await is('leave', roomId, alice.userId, erin.at(b));
  for (const server of [a, b]) await shows(alice.at(server), 'knock', roomId, false);
  // Nobody has told this home who is in the room: the other one is.
  await knock(alice.at(a), roomId);
  await is('knock', roomId);
  for (const server of [a, b]) await shows(alice.at(server), 'knock', roomId);
}, 90_000);

it('one at a room whose server is away goes through another that has the room', async () => {
  const gus = await Person.named('gus', b);
  const roomId = await room();
  await bob.request('POST', `${roomPath(roomId)}/invite`, { user_id: gus.userId });
  await join(gus.at(b), roomId, c);
  const frank = await Person.named('frank', a);
  network.cut(a, c);
  await knock(frank.at(a), roomId, c, b);
  await is('knock', roomId, frank.userId, gus.at(b));
  await is('knock', roomId, frank.userId);
  // That server answers for the room, too.
  await bob.request('POST', `${roomPath(roomId)}/ban`, { user_id: frank.userId });
  network.cut(a, c, 'open');
  await shows(frank.at(a), 'knock', roomId, false);
}, 90_000);
