import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { eventually } from '../network/eventually.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isCaughtUp, isIn, join, roomPath, settles, state } from './talk.js';

// Invitations of an account with two homes that do not always hear each other (protocol §4, "Invitations").
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
  await c.get(KeyRing).listed(a.name);
  await join(bob, await createRoom(alice.at(a)), a);
  await isCaughtUp(alice, a, b);
  await isCaughtUp(alice, b, a);
}, 90_000);
afterAll(() => network?.stop());
const heal = () => { for (const [x, y] of [[a, b], [a, c], [b, c]] as const) network.cut(x, y, 'open'); };
afterEach(heal);

const rooms = async (client: TestClient): Promise<Json> => (await client.request('GET', '/v3/sync')).rooms ?? {};
const isInvited = async (client: TestClient, roomId: string): Promise<boolean> => roomId in ((await rooms(client)).invite ?? {});
const shows = (server: TestServer, roomId: string, is: boolean) => eventually(async () => (await isInvited(alice.at(server), roomId)) === is, 20_000);
const invite = (roomId: string): Promise<Json> => bob.request('POST', `${roomPath(roomId)}/invite`, { user_id: alice.userId });

it('one that came while a home was away reaches it, with what it shows of the room', async () => {
  for (const server of [b, c]) network.cut(a, server);
  const roomId = await createRoom(bob, { preset: 'private_chat', name: 'Tea' });
  await invite(roomId);
  await shows(b, roomId, true);
  heal();
  await shows(a, roomId, true);
  const nameAt = async (server: TestServer) =>
    (await rooms(alice.at(server))).invite[roomId].invite_state.events.find((event: Json) => event.type === 'm.room.name')?.content.name;
  expect(await nameAt(a)).toBe('Tea');
  // And it is one that can be followed there.
  await alice.at(a).request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {});
  await isIn(alice.at(b), roomId);
  await shows(b, roomId, false);
}, 60_000);

it('one that was refused at a home is gone at the other, also when that was away and comes late to both', async () => {
  const roomId = await createRoom(bob, { preset: 'private_chat', invite: [alice.userId] });
  for (const server of [a, b]) await shows(server, roomId, true);
  // B hears neither of it from A nor from the server of the room.
  for (const server of [a, c]) network.cut(b, server);
  await alice.at(a).request('POST', `${roomPath(roomId)}/leave`, {});
  expect(await isInvited(alice.at(b), roomId)).toBe(true);
  network.cut(a, b, 'open');
  await shows(b, roomId, false);
  network.cut(b, c, 'open');
  expect((await alice.at(b).request('GET', '/v3/sync', undefined, { query: { filter: JSON.stringify({ room: { include_leave: true } }) } })).rooms?.leave?.[roomId]).toBeDefined();
  // A new invitation is another one.
  await invite(roomId);
  for (const server of [a, b]) await shows(server, roomId, true);
  await alice.at(b).request('POST', `${roomPath(roomId)}/leave`, {});
  await shows(a, roomId, false);
}, 60_000);

it('one that another home of the inviter withdraws is gone', async () => {
  const dora = await Person.named('dora', c);
  await dora.addHome(b, { through: c });
  const roomId = await createRoom(dora.at(c), { preset: 'private_chat' });
  await isIn(dora.at(b), roomId);
  const erin = await Person.named('erin', a);
  await dora.at(c).request('POST', `${roomPath(roomId)}/invite`, { user_id: erin.userId });
  await settles(async () => expect(await isInvited(erin.at(a), roomId)).toBe(true));
  await settles(async () => expect((await state(dora.at(b), roomId, 'm.room.member', erin.userId)).membership).toBe('invite'));
  await c.stop();
  try {
    await dora.at(b).request('POST', `${roomPath(roomId)}/kick`, { user_id: erin.userId });
    await settles(async () => expect(await isInvited(erin.at(a), roomId)).toBe(false));
  } finally {
    await c.start();
  }
}, 60_000);

it('one of a server that holds the room is one at the other home, and a home that is added learns of it', async () => {
  const frank = await Person.named('frank', c);
  await join(await network.net.client(a).register('gus'), await createRoom(frank.at(c)), c);
  const roomId = await createRoom(bob, { preset: 'private_chat' });
  await bob.request('POST', `${roomPath(roomId)}/invite`, { user_id: frank.userId });
  await settles(async () => expect(await isInvited(frank.at(c), roomId)).toBe(true));
  await frank.addHome(a, { through: c });
  await settles(async () => expect(await isInvited(frank.at(a), roomId)).toBe(true));
  await bob.request('POST', `${roomPath(roomId)}/kick`, { user_id: frank.userId });
  for (const server of [c, a]) await settles(async () => expect(await isInvited(frank.at(server), roomId)).toBe(false));
}, 60_000);
