import { Network } from '../network/network.js';
import { roomPath as room } from '../network/room-pages.js';
import { joinedMembers as members, settles, stateOf as state } from '../network/room-requests.js';
import type { TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let carol: TestClient;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  alice = await net.client('a').register('alice');
  bob = await net.client('b').register('bob');
  carol = await net.client('c').register('carol');
});
afterAll(() => net?.stop());

const VERSION = 'io.partyline.1';

it('is chosen where everybody invited has a record, and only there', async () => {
  const { room_id: together } = await alice.request('POST', '/v3/createRoom', { invite: [bob.userId] });
  expect((await state(alice, together, 'm.room.create')).room_version).toBe(VERSION);
  const { room_id: alone } = await alice.request('POST', '/v3/createRoom', {});
  expect((await state(alice, alone, 'm.room.create')).room_version).toBe('12');
});

it('carries home records in member events and signatures of home keys', async () => {
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: VERSION, preset: 'public_chat' });
  await bob.request('POST', `${room(roomId)}/join`, {}, { query: { via: net.server('a').name } });
  const record = (await state(bob, roomId, 'm.room.member', alice.userId)).home_record;
  expect(record.user_id).toBe(alice.userId);
  expect(record.homes.map((home: { server_name: string }) => home.server_name)).toEqual([net.server('a').name]);
  await bob.request('PUT', `${room(roomId)}/send/m.room.message/1`, { body: 'hello', msgtype: 'm.text' });
  await alice.request('POST', `${room(roomId)}/invite`, { user_id: carol.userId });
  await carol.request('POST', `${room(roomId)}/join`, {});
  for (const client of [alice, bob, carol]) await settles(async () => expect(await members(client, roomId)).toHaveLength(3));
  await alice.request('POST', `${room(roomId)}/kick`, { user_id: bob.userId });
  await settles(async () => expect((await state(carol, roomId, 'm.room.member', bob.userId)).membership).toBe('leave'));
  expect((await state(carol, roomId, 'm.room.member', bob.userId)).home_record.user_id).toBe(bob.userId);
});

it('lets an invitation be taken back and be rejected', async () => {
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: VERSION, invite: [bob.userId, carol.userId] });
  await alice.request('POST', `${room(roomId)}/kick`, { user_id: bob.userId });
  await settles(async () => expect((await bob.request('GET', '/v3/sync')).rooms?.invite?.[roomId]).toBeUndefined());
  // The room id names no server that could be asked.
  expect([403, 404]).toContain((await bob.raw('POST', `${room(roomId)}/join`, {})).status);
  await carol.request('POST', `${room(roomId)}/leave`, {});
  await settles(async () => expect((await state(alice, roomId, 'm.room.member', carol.userId)).membership).toBe('leave'));
});

it('lives on when the server of its creator is gone, and resolves what diverged when it is back', async () => {
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', {
    room_version: VERSION, preset: 'public_chat', power_level_content_override: { state_default: 0, events: {} },
  });
  for (const client of [bob, carol]) await client.request('POST', `${room(roomId)}/join`, {}, { query: { via: net.server('a').name } });
  await settles(async () => expect(await members(bob, roomId)).toHaveLength(3));
  await net.server('a').crash();
  await bob.request('PUT', `${room(roomId)}/state/m.room.topic`, { topic: 'without a' });
  await carol.request('PUT', `${room(roomId)}/state/m.room.name`, { name: 'orphans' });
  await settles(async () => expect((await state(bob, roomId, 'm.room.name')).name).toBe('orphans'));
  await settles(async () => expect((await state(carol, roomId, 'm.room.topic')).topic).toBe('without a'));
  // B and C are away while A changes what they changed: two branches.
  await Promise.all([net.server('b').stop(), net.server('c').stop()]);
  await net.server('a').start();
  await alice.request('PUT', `${room(roomId)}/state/m.room.topic`, { topic: 'alone' });
  await alice.request('PUT', `${room(roomId)}/state/m.room.avatar`, { url: 'mxc://a/b' });
  await Promise.all([net.server('b').start(), net.server('c').start()]);
  await alice.request('PUT', `${room(roomId)}/send/m.room.message/1`, { body: 'back', msgtype: 'm.text' });
  await settles(async () => {
    const topics = await Promise.all([alice, bob, carol].map(async (client) => (await state(client, roomId, 'm.room.topic')).topic));
    expect(new Set(topics).size).toBe(1);
    for (const client of [alice, bob, carol]) {
      expect((await state(client, roomId, 'm.room.name')).name).toBe('orphans');
      expect((await state(client, roomId, 'm.room.avatar')).url).toBe('mxc://a/b');
    }
  });
});
