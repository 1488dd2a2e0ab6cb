import { Badges } from '../../apps/homeserver/src/notifications/badges.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let carol: TestClient;

const encoded = encodeURIComponent;
const permit = (client: TestClient, type: string, content: object) => client.request('PUT', `/v3/user/${encoded(client.userId)}/account_data/${type}`, content);
const newRoom = async (client: TestClient): Promise<string> => (await client.request('POST', '/v3/createRoom', { preset: 'private_chat' })).room_id;
const invite = (client: TestClient, roomId: string, guest: TestClient) => client.raw('POST', `/v3/rooms/${encoded(roomId)}/invite`, { user_id: guest.userId });
const invited = async (client: TestClient): Promise<string[]> => Object.keys((await client.request('GET', '/v3/sync')).rooms?.invite ?? {});

/** Alice and Bob on server a, Carol on server b. */
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [alice, bob, carol] = await Promise.all([net.client('a').register('alice'), net.client('a').register('bob'), net.client('b').register('carol')]);
});
afterAll(() => net.stop());

/** Somebody who has not said anything yet. */
const newcomer = (name: string) => net.client('a').register(name);

describe.each([
  ['m.invite_permission_config', { default_action: 'block' }], ['org.matrix.msc4380.invite_permission_config', { default_action: 'block' }],
  ['org.matrix.msc4155.invite_permission_config', { blocked_servers: ['localhost*'] }],
])('%s', (type, content) => {
  it('refuses invitations of accounts here and of other servers, in rooms that are and in new ones', async () => {
    const dora = await newcomer(`dora-${type.split('.')[2] ?? 'stable'}`);
    const [here, there] = [await newRoom(bob), await newRoom(carol)];
    await permit(dora, type, content);
    for (const [client, roomId] of [[bob, here], [carol, there]] as const) {
      expect(await invite(client, roomId, dora)).toMatchObject({ status: 403, body: { errcode: 'M_INVITE_BLOCKED' } });
    }
    await bob.expectError(403, 'M_INVITE_BLOCKED', 'PUT', `/v3/rooms/${encoded(here)}/state/m.room.member/${encoded(dora.userId)}`, { membership: 'invite' });
    const before = (await bob.request('GET', '/v3/joined_rooms')).joined_rooms.length;
    await bob.expectError(403, 'M_INVITE_BLOCKED', 'POST', '/v3/createRoom', { invite: [dora.userId] });
    expect((await bob.request('GET', '/v3/joined_rooms')).joined_rooms).toHaveLength(before);
    expect(await invited(dora)).toEqual([]);
    await permit(dora, type, {});
    expect((await invite(bob, here, dora)).status).toBe(200);
    expect((await invite(carol, there, dora)).status).toBe(200);
    await eventually(async () => (await invited(dora)).length === 2);
  });
});

it('takes an invitation that is to be ignored, and shows it to nobody', async () => {
  const emil = await newcomer('emil');
  await permit(emil, 'org.matrix.msc4155.invite_permission_config', { ignored_users: [bob.userId, carol.userId] });
  const rooms = [await newRoom(bob), await newRoom(carol), await newRoom(alice)];
  for (const [i, client] of [bob, carol, alice].entries()) expect((await invite(client, rooms[i]!, emil)).status).toBe(200);
  await eventually(async () => (await invited(emil)).length > 0);
  expect(await invited(emil)).toEqual([rooms[2]]);
  const { rooms: listed } = await emil.request('POST', '/unstable/org.matrix.simplified_msc3575/sync', { lists: { all: { ranges: [[0, 9]], required_state: [], timeline_limit: 1 } } });
  expect(Object.keys(listed)).toEqual([rooms[2]]);
  expect((await net.server('a').get(Badges).of(emil.userId)).unread).toBe(1);
  await permit(emil, 'org.matrix.msc4155.invite_permission_config', { ignored_users: [bob.userId, carol.userId], allowed_servers: [net.server('b').name] });
  expect(await invited(emil)).toEqual([rooms[2]]);
});

it('is told to clients', async () => {
  const { capabilities } = await alice.request('GET', '/v3/capabilities');
  expect(capabilities['m.invite_permission_config_enforced']).toEqual({ enabled: true });
  const { unstable_features: features }: Json = await alice.request('GET', '/versions');
  expect(features).toMatchObject({ 'org.matrix.msc4155': true, 'org.matrix.msc4380.stable': true });
});
