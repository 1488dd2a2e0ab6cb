import { randomBytes } from 'node:crypto';
import { addSignature, signingKeyFromSeed } from '../../libs/federation/src/index.js';
import { createRoom, isIn, join, say, settles, state } from '../homes/talk.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostilePerson } from './hostile-person.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer, Verbatim, wire } from './hostile-server.js';
import { path } from './hostile-world.js';

// A room has its events judged by a server that says no to all of them, or nothing (protocol §3).
let net: Network;
let a: TestServer;
let b: TestServer;
let policy: HostileServer;
let alice: Person;
let bob: TestClient;
let roomId: string;
let room: HostileRoom;
const key = signingKeyFromSeed('ed25519:policy_server', randomBytes(32));
let count = 0;

beforeAll(async () => {
  net = await Network.start({ servers: 3 });
  [a, b] = net.servers as [TestServer, TestServer];
  policy = await HostileServer.start();
  policy.on(/v1\/send\//, () => ({ pdus: {} }));
  policy.on(/policy\/v1\/sign$/, () => new Verbatim(403, {}, JSON.stringify({ errcode: 'M_FORBIDDEN', error: 'no' })));
}, 90_000);
afterAll(async () => {
  policy?.hangUp();
  await policy?.stop();
  await net?.stop();
});

beforeEach(async () => {
  alice = await Person.named(`alice${++count}`, a);
  bob = await net.client('c').register(`bob${count}`);
  roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  await isIn(await alice.addHome(b), roomId);
  const judge = new HostilePerson('judge', policy);
  room = await HostileRoom.join(policy, a, roomId, judge.userId, judge.inRooms);
  await alice.at(a).request('PUT', `${path(roomId)}/state/m.room.policy/`, { via: policy.name, public_keys: { ed25519: key.publicKey } });
  for (const client of [bob, alice.at(b)]) await settles(async () => expect((await state(client, roomId, 'm.room.policy')).via).toBe(policy.name));
});

const shows = (client: TestClient): Promise<void> =>
  settles(async () => expect((await state(client, roomId, 'm.room.member', alice.userId)).home_record).toEqual(alice.record));

it('keeps no home in the room that was dropped, whatever name its owner has by now', async () => {
  await alice.at(a).raw('PUT', `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Another' });
  await alice.publish(alice.next({ revoke: [b.name] }), a);
  await shows(alice.at(a));
  await shows(bob);
  expect((await state(bob, roomId, 'm.room.member', alice.userId)).displayname).not.toBe('Another');
});

it('keeps nobody in the room who goes', async () => {
  await bob.request('POST', `${path(roomId)}/leave`, {});
  await settles(async () => expect((await state(alice.at(a), roomId, 'm.room.member', bob.userId)).membership).toBe('leave'));
});

it('is asked of what only claims to bring a record', async () => {
  await expect(say(bob, roomId, 'spam')).rejects.toThrow('403');
  const spam = room.event({ type: 'm.room.member', state_key: room.userId, content: { ...room.joinContent, displayname: 'spam', 'io.partyline.carries': true } });
  const quiet = room.event({ type: 'm.room.member', state_key: room.userId, content: { ...room.joinContent, 'io.partyline.carries': true } });
  await policy.send(a, [wire(spam), wire(quiet)]);
  const shown = async (): Promise<unknown> => (await state(alice.at(a), roomId, 'm.room.member', room.userId))['io.partyline.carries'];
  await settles(async () => expect(await shown()).toBe(true));
  expect((await state(alice.at(a), roomId, 'm.room.member', room.userId)).displayname).toBeUndefined();
  // With its word it counts.
  await policy.send(a, [wire(addSignature(room.event({ type: 'm.room.member', state_key: room.userId, content: { ...room.joinContent, displayname: 'signed' } }), room.rules, policy.name, key))]);
  await settles(async () => expect((await state(alice.at(a), roomId, 'm.room.member', room.userId)).displayname).toBe('signed'));
});
