import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, join, reads, say, settles, state } from './talk.js';

let net: Network;
let a: TestServer; let b: TestServer; let c: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
}, 60_000);
afterAll(() => net?.stop());

it('who was let into a restricted room by another member shows a new name and a new home there, and speaks through it', async () => {
  const owner = await net.client(a).register('owner');
  const bob = await Person.named('bob', c);
  const space = await createRoom(owner);
  const rule = { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: space }] };
  const roomId = await createRoom(owner, { preset: 'private_chat', initial_state: [{ type: 'm.room.join_rules', state_key: '', content: rule }] });
  await join(bob.at(c), space, a);
  await join(bob.at(c), roomId, a);
  expect((await state(owner, roomId, 'm.room.member', bob.userId)).join_authorised_via_users_server).toBe(owner.userId);
  // Who is in needs nobody to let him in: what a client copies or says of that is left out.
  await bob.at(c).request('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(bob.userId)}`, { membership: 'join', displayname: 'Bobby', join_authorised_via_users_server: 'unused' });
  await settles(async () => expect((await state(owner, roomId, 'm.room.member', bob.userId)).displayname).toBe('Bobby'));
  expect((await state(owner, roomId, 'm.room.member', bob.userId)).join_authorised_via_users_server).toBeUndefined();
  await bob.at(c).request('PUT', `/v3/profile/${encodeURIComponent(bob.userId)}/displayname`, { displayname: 'Bob' });
  await settles(async () => expect((await state(owner, roomId, 'm.room.member', bob.userId)).displayname).toBe('Bob'));
  const atB = await bob.addHome(b, { through: c });
  await isIn(atB, roomId);
  await settles(async () => expect((await state(owner, roomId, 'm.room.member', bob.userId)).home_record).toEqual(bob.record));
  await say(atB, roomId, 'by the new home');
  await reads(owner, roomId, 'by the new home');
});
