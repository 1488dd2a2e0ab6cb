import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let guest: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  alice = await net.client('a').register('alice');
  const session = await net.client('a').request('POST', '/v3/register?kind=guest', {}, { anonymous: true });
  guest = net.client('a');
  Object.assign(guest, { accessToken: session.access_token, userId: session.user_id, deviceId: session.device_id });
});
afterAll(() => net.stop());

const access = (roomId: string, value: string) =>
  alice.request('PUT', `${roomPath(roomId)}/state/m.room.guest_access/`, { guest_access: value });
const membership = async (roomId: string) =>
  (await alice.request('GET', `${roomPath(roomId)}/state/m.room.member/${encodeURIComponent(guest.userId)}`)).membership;

it('lets guests into rooms that take them, and has them leave when the room stops to', async () => {
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
  await guest.expectError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'POST', `${roomPath(roomId)}/join`, {});
  await access(roomId, 'can_join');
  await guest.request('POST', `${roomPath(roomId)}/join`, {});
  expect(await membership(roomId)).toBe('join');
  await access(roomId, 'forbidden');
  await eventually(async () => (await membership(roomId)) === 'leave');
  const joined = await alice.request('GET', `${roomPath(roomId)}/joined_members`);
  expect(Object.keys(joined.joined)).toEqual([alice.userId]);
});

it('has guests leave rooms of other servers that do not take them', async () => {
  const bob = await net.client('b').register('bob');
  const join = (roomId: string) => guest.raw('POST', `${roomPath(roomId)}/join`, {}, { query: { via: net.server('b').name } });
  const [{ room_id: closed }, { room_id: open }] = [await bob.request('POST', '/v3/createRoom', { preset: 'public_chat' }), await bob.request('POST', '/v3/createRoom', {
    preset: 'public_chat', initial_state: [{ type: 'm.room.guest_access', state_key: '', content: { guest_access: 'can_join' } }],
  })];
  const refused = await join(closed);
  expect([refused.status, refused.body.errcode]).toEqual([403, 'M_GUEST_ACCESS_FORBIDDEN']);
  await eventually(async () => !Object.keys((await bob.request('GET', `${roomPath(closed)}/joined_members`)).joined).includes(guest.userId));
  expect((await guest.request('GET', '/v3/joined_rooms')).joined_rooms).not.toContain(closed);
  expect((await join(open)).status).toBe(200);
  expect(Object.keys((await bob.request('GET', `${roomPath(open)}/joined_members`)).joined)).toContain(guest.userId);
});

it('lets guests read rooms that are open to the world, and do in them nothing else', async () => {
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', {
    preset: 'public_chat', name: 'Open', initial_state: [{ type: 'm.room.history_visibility', state_key: '', content: { history_visibility: 'world_readable' } }],
  });
  const { event_id: eventId } = await alice.request('PUT', `${roomPath(roomId)}/send/m.room.message/1`, { body: 'hello', msgtype: 'm.text' });
  const path = roomPath(roomId);
  expect((await guest.request('GET', `${path}/state/m.room.name`)).name).toBe('Open');
  for (const read of [`${path}/state`, `${path}/members`, `${path}/messages?dir=b`, `${path}/event/${encodeURIComponent(eventId)}`, `${path}/context/${encodeURIComponent(eventId)}`, `${path}/initialSync`]) {
    expect(JSON.stringify(await guest.request('GET', read))).toContain(roomId);
  }
  await guest.expectError(403, 'M_FORBIDDEN', 'PUT', `${path}/send/m.room.message/2`, { body: 'x', msgtype: 'm.text' });
  for (const [method, route, body] of [
    ['POST', `/v3/knock/${encodeURIComponent(roomId)}`, {}], ['POST', `${path}/invite`, { user_id: alice.userId }], ['POST', `${path}/kick`, { user_id: alice.userId }],
    ['POST', '/v3/createRoom', {}], ['GET', `/v3/events/${encodeURIComponent(eventId)}`, undefined], ['GET', '/v3/initialSync', undefined], ['GET', '/v3/events', undefined],
  ] as const) await guest.expectError(403, 'M_GUEST_ACCESS_FORBIDDEN', method, route, body);
});

it('lets who is not in a room that is open to the world read all of it, and nobody read one that is not', async () => {
  const dora = await net.client('a').register('dora');
  const create = async (visibility: string) => {
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', {
      preset: 'public_chat', initial_state: [{ type: 'm.room.history_visibility', state_key: '', content: { history_visibility: visibility } }],
    });
    const { event_id: eventId } = await alice.request('PUT', `${roomPath(roomId)}/send/m.room.message/1`, { body: 'hello', msgtype: 'm.text' });
    return [roomPath(roomId), `/v1/rooms/${encodeURIComponent(roomId)}`, encodeURIComponent(eventId)] as const;
  };
  const reads = ([path, v1, eventId]: readonly [string, string, string]) => [
    `${path}/state`, `${path}/state/m.room.create`, `${path}/members`, `${path}/messages?dir=b`, `${path}/messages?dir=f`, `${path}/event/${eventId}`, `${path}/context/${eventId}`,
    `${path}/initialSync`, `${path}/aliases`, `${v1}/relations/${eventId}`, `${v1}/threads`, `${v1}/hierarchy`,
  ];
  const open = await create('world_readable');
  for (const read of reads(open)) expect([read, (await dora.raw('GET', read)).status]).toEqual([read, 200]);
  for (const visibility of ['shared', 'invited', 'joined']) {
    // What a public room says of itself is no history.
    for (const read of reads(await create(visibility)).filter((one) => !one.endsWith('/hierarchy'))) {
      expect([read, [403, 404].includes((await dora.raw('GET', read)).status)]).toEqual([read, true]);
    }
  }
});

it('lets a guest become a user, under the name that he has, and nobody under that of another', async () => {
  const register = async (): Promise<TestClient> => {
    const session = await net.client('a').request('POST', '/v3/register?kind=guest', {}, { anonymous: true });
    return Object.assign(net.client('a'), { accessToken: session.access_token, userId: session.user_id, deviceId: session.device_id });
  };
  const [first, second] = [await register(), await register()];
  const username = first.userId.slice(1, first.userId.indexOf(':'));
  const upgrade = (token: string | null, name: string | undefined) => net.client('a').raw('POST', '/v3/register', {
    password: 'longer than it was', auth: { type: 'm.login.dummy' }, guest_access_token: token, username: name,
  }, { anonymous: true });
  for (const [token, name, status, errcode] of [
    [second.accessToken, username, 403, 'M_FORBIDDEN'], ['nonsense', username, 403, 'M_FORBIDDEN'], [alice.accessToken, 'alice', 403, 'M_FORBIDDEN'],
    [first.accessToken, 'other', 403, 'M_FORBIDDEN'], [first.accessToken, undefined, 400, 'M_MISSING_PARAM'], [null, username, 400, 'M_USER_IN_USE'],
  ] as const) {
    const answer = await upgrade(token, name);
    expect([name, answer.status, answer.body.errcode]).toEqual([name, status, errcode]);
  }
  await first.expectError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'POST', '/v3/createRoom', {});
  expect((await upgrade(first.accessToken, username)).body.user_id).toBe(first.userId);
  await first.request('POST', '/v3/createRoom', {});
  expect((await first.request('GET', '/v3/account/whoami')).is_guest ?? false).toBe(false);
  await net.client('a').login(username, 'longer than it was');
  expect((await upgrade(first.accessToken, username)).status).toBe(403);
  await second.expectError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'POST', '/v3/createRoom', {});
});
