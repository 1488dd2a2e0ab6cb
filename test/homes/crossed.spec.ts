import { Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, reads, roomPath, say, settles, state } from './talk.js';

// State that crossed with the way out of its author holds at every server, or at none (protocol §3, "Delivery"; promise P2).
let network: LinkedNetwork;
let a: TestServer; let b: TestServer; let c: TestServer;
let alice: Person; let bob: Person; let carol: Person;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
  [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
  alice = await Person.named('alice', a);
  bob = await Person.named('bob', b);
  carol = await Person.named('carol', c);
  await carol.addHome(b);
}, 90_000);
afterAll(() => network?.stop());

/** Alice at a, bob at b with whom carol, who may ban, lives too; all have read what was said last. */
async function room(): Promise<string> {
  const roomId = await createRoom(alice.at(a), { power_level_content_override: { users: { [carol.userId]: 50 } } });
  await join(bob.at(b), roomId, a);
  await join(carol.at(c), roomId, a);
  await isIn(carol.at(b), roomId);
  const ready = await say(alice.at(a), roomId, `ready ${roomId}`);
  for (const client of [bob.at(b), carol.at(b), carol.at(c)]) await reads(client, roomId, `ready ${roomId}`);
  expect(ready).toBeDefined();
  return roomId;
}

const cutOff = (state_: 'refused' | 'open'): void => {
  network.cut(b, a, state_);
  network.cut(b, c, state_);
};

it('a ban that one server took holds everywhere, though its author had left when it reached them', async () => {
  const roomId = await room();
  cutOff('refused');
  await carol.at(b).request('POST', `${roomPath(roomId)}/ban`, { user_id: bob.userId });
  await carol.at(c).request('POST', `${roomPath(roomId)}/leave`, {});
  await settles(async () => expect((await state(alice.at(a), roomId, 'm.room.member', carol.userId)).membership).toBe('leave'));
  cutOff('open');
  await settles(async () => expect((await state(alice.at(a), roomId, 'm.room.member', bob.userId)).membership).toBe('ban'));
  const refused = await bob.at(b).raw('POST', `${roomPath(roomId)}/join`, {});
  expect(refused.status).toBe(403);
}, 60_000);

it('a server whose people are all out as it sees it comes back when the others see it otherwise', async () => {
  const roomId = await room();
  cutOff('refused');
  await carol.at(b).request('POST', `${roomPath(roomId)}/ban`, { user_id: bob.userId });
  await carol.at(b).request('POST', `${roomPath(roomId)}/leave`, {});
  // Whom the greater level has stopped: the ban does not hold.
  const levels = await state(alice.at(a), roomId, 'm.room.power_levels');
  await alice.at(a).request('PUT', `${roomPath(roomId)}/state/m.room.power_levels/`, { ...levels, users: {} });
  cutOff('open');
  await settles(async () => expect((await state(alice.at(a), roomId, 'm.room.member', carol.userId)).membership).toBe('leave'));
  await say(alice.at(a), roomId, `are you there ${roomId}`);
  await isIn(bob.at(b), roomId);
  await reads(bob.at(b), roomId, `are you there ${roomId}`);
  expect((await state(alice.at(a), roomId, 'm.room.member', bob.userId)).membership).toBe('join');
}, 60_000);

it('who has left at a server is out, though everybody left there, and somebody comes back through another one', async () => {
  const [erin, frank, gina] = [await Person.named('erin', a), await Person.named('frank', b), await Person.named('gina', c)];
  await erin.addHome(b);
  await frank.addHome(c);
  await gina.addHome(a);
  const roomId = await createRoom(erin.at(a));
  await join(frank.at(b), roomId, a);
  await join(gina.at(c), roomId, a);
  for (const client of [erin.at(b), frank.at(c), gina.at(a)]) await isIn(client, roomId);
  await say(erin.at(a), roomId, 'all here');
  for (const client of [erin.at(b), frank.at(b), frank.at(c), gina.at(c), gina.at(a)]) await reads(client, roomId, 'all here');
  cutOff('refused');
  // The last leave goes to no server but c, the only one that is counted by then.
  await frank.at(c).request('POST', `${roomPath(roomId)}/leave`, {});
  await settles(async () => expect((await state(gina.at(a), roomId, 'm.room.member', frank.userId)).membership).toBe('leave'));
  await erin.at(a).request('POST', `${roomPath(roomId)}/leave`, {});
  await gina.at(a).request('POST', `${roomPath(roomId)}/leave`, {});
  await settles(async () => expect((await gina.at(c).request('GET', '/v3/joined_rooms')).joined_rooms).not.toContain(roomId));
  await frank.at(b).request('POST', `${roomPath(roomId)}/leave`, {});
  await frank.at(b).request('POST', `${roomPath(roomId)}/join`, {});
  cutOff('open');
  await settles(async () => {
    expect((await frank.at(c).raw('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: b.name } })).status).toBe(200);
    for (const client of [frank.at(b), frank.at(c)]) expect((await state(client, roomId, 'm.room.member', gina.userId)).membership).toBe('leave');
  });
}, 60_000);
