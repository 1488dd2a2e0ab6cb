import { Network } from '../network/network.js';
import { roomPath as room } from '../network/room-pages.js';
import { stateOf as state } from '../network/room-requests.js';
import type { TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;

beforeAll(async () => {
  net = await Network.start();
  alice = await net.client('a').register('alice');
  bob = await net.client('a').register('bob');
});
afterAll(() => net.stop());

const createRoom = async (client: TestClient, body: object = {}): Promise<string> => (await client.request('POST', '/v3/createRoom', body)).room_id;

describe.each(['10', '11', '12'])('a room of version %s', (version) => {
  it('is made with the preset, name, topic and the events of the request', async () => {
    const roomId = await createRoom(alice, {
      room_version: version, preset: 'public_chat', name: 'Club', topic: 'Everything', invite: [bob.userId],
      initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'invited' } }],
    });
    expect((await state(alice, roomId, 'm.room.create')).room_version).toBe(version);
    expect(await state(alice, roomId, 'm.room.join_rules')).toEqual({ join_rule: 'public' });
    expect(await state(alice, roomId, 'm.room.history_visibility')).toEqual({ history_visibility: 'invited' });
    expect((await state(alice, roomId, 'm.room.name')).name).toBe('Club');
    expect((await state(alice, roomId, 'm.room.topic')).topic).toBe('Everything');
    expect((await state(alice, roomId, 'm.room.member', bob.userId)).membership).toBe('invite');
  });

  it('is another room for each of many requests at once', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => createRoom(alice, { room_version: version })));
    expect(new Set(ids).size).toBe(20);
  });

  it('lets a member in, takes messages, and puts people out', async () => {
    const roomId = await createRoom(alice, { room_version: version, preset: 'private_chat' });
    await bob.expectError(403, 'M_FORBIDDEN', 'POST', `${room(roomId)}/join`, {});
    await bob.expectError(403, 'M_FORBIDDEN', 'PUT', `${room(roomId)}/send/m.room.message/1`, { body: 'hi', msgtype: 'm.text' });
    await alice.request('POST', `${room(roomId)}/invite`, { user_id: bob.userId });
    await bob.request('POST', `${room(roomId)}/join`, {});
    const sent = await bob.request('PUT', `${room(roomId)}/send/m.room.message/1`, { body: 'hi', msgtype: 'm.text' });
    expect(sent.event_id).toMatch(/^\$/);
    await bob.expectError(403, 'M_FORBIDDEN', 'PUT', `${room(roomId)}/state/m.room.name`, { name: 'mine' });
    await alice.request('POST', `${room(roomId)}/kick`, { user_id: bob.userId, reason: 'noise' });
    expect(await state(alice, roomId, 'm.room.member', bob.userId)).toMatchObject({ membership: 'leave', reason: 'noise' });
    await alice.request('POST', `${room(roomId)}/ban`, { user_id: bob.userId });
    await alice.expectError(403, 'M_FORBIDDEN', 'POST', `${room(roomId)}/invite`, { user_id: bob.userId });
    await alice.request('POST', `${room(roomId)}/unban`, { user_id: bob.userId });
    await alice.request('POST', `${room(roomId)}/invite`, { user_id: bob.userId });
    await bob.request('POST', `${room(roomId)}/join`, {});
    await bob.request('POST', `${room(roomId)}/leave`, {});
    expect((await bob.request('GET', '/v3/joined_rooms')).joined_rooms).not.toContain(roomId);
  });

  it('answers a repeated transaction with the first event, also after a restart', async () => {
    const roomId = await createRoom(alice, { room_version: version });
    const send = async () => (await alice.request('PUT', `${room(roomId)}/send/m.room.message/same`, { body: 'once', msgtype: 'm.text' })).event_id;
    const [first, second] = await Promise.all([send(), send()]);
    expect(second).toBe(first);
    await net.server('a').restart();
    expect(await send()).toBe(first);
  });

  it('keeps everything acknowledged over a crash, and goes on', async () => {
    const roomId = await createRoom(alice, { room_version: version });
    const sends = Array.from({ length: 30 }, (_, i) => alice.request('PUT', `${room(roomId)}/send/m.room.message/c${i}`, { body: `${i}`, msgtype: 'm.text' }));
    const ids = (await Promise.all(sends)).map((answer) => answer.event_id);
    await alice.request('PUT', `${room(roomId)}/state/m.room.name`, { name: 'before' });
    await net.server('a').crash();
    await net.server('a').start();
    expect((await state(alice, roomId, 'm.room.name')).name).toBe('before');
    const again = await Promise.all(ids.map((_, i) => alice.request('PUT', `${room(roomId)}/send/m.room.message/c${i}`, { body: `${i}`, msgtype: 'm.text' })));
    expect(again.map((answer) => answer.event_id)).toEqual(ids);
    expect(new Set(ids).size).toBe(30);
  });
});

it('refuses a room whose create event the rules would not take', async () => {
  const asked = { room_version: '12', creation_content: { additional_creators: ['nobody'] } };
  await alice.expectError(400, 'M_INVALID_ROOM_STATE', 'POST', '/v3/createRoom', asked);
  await alice.expectError(400, 'M_UNSUPPORTED_ROOM_VERSION', 'POST', '/v3/createRoom', { room_version: '99' });
  await alice.expectError(400, 'M_INVALID_ROOM_STATE', 'POST', '/v3/createRoom', { room_version: '11', power_level_content_override: { users_default: 'x' } });
});

it('says of state that nobody could set that the request is wrong', async () => {
  const roomId = await createRoom(alice, { room_version: '12', preset: 'public_chat' });
  await bob.request('POST', `${room(roomId)}/join`, {});
  await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `${room(roomId)}/state/m.room.create`, { room_version: '12', more: 1 });
  await alice.expectError(400, 'M_BAD_JSON', 'PUT', `${room(roomId)}/state/m.room.power_levels`, { users: { [alice.userId]: 100 } });
  await alice.expectError(400, 'M_BAD_JSON', 'PUT', `${room(roomId)}/state/m.room.power_levels`, { kick: '50' });
  await bob.expectError(403, 'M_FORBIDDEN', 'PUT', `${room(roomId)}/state/m.room.power_levels`, { users: { [bob.userId]: 100 } });
});

it('lists the members as they were at a token, and as they are', async () => {
  const roomId = await createRoom(alice, { preset: 'public_chat' });
  await alice.request('PUT', `${room(roomId)}/send/m.room.message/first`, { body: 'alone', msgtype: 'm.text' });
  const { next_batch: alone, rooms } = await alice.request('GET', '/v3/sync');
  await bob.request('POST', `${room(roomId)}/join`, {});
  const members = async (query: object) =>
    (await alice.request('GET', `${room(roomId)}/members`, undefined, { query: { ...query } })).chunk.map((event: { state_key: string }) => event.state_key).sort();
  expect(await members({ at: alone })).toEqual([alice.userId]);
  // Before the room's first event there was nobody: those with whom it began.
  expect(await members({ at: rooms.join[roomId].timeline.prev_batch })).toEqual([alice.userId]);
  expect(await members({})).toEqual([alice.userId, bob.userId].sort());
  expect(await members({ not_membership: 'join' })).toEqual([]);
  await alice.expectError(400, 'M_INVALID_PARAM', 'GET', `${room(roomId)}/members`, undefined, { query: { at: 'nonsense' } });
});
