import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { TestDeviceKeys } from '../integration/test-keys.js';

type Case = readonly [status: number, errcode: string, method: string, path: string, body?: Json];

/**
 * Errors that the specification's files name for single operations and that no suite of their own looks at. In addresses and bodies
 * stand for what the test has: ROOM (Alice is in it), OTHER (she is not), BOB, NOBODY, EVENT, ALIAS, DEVICE.
 */
const cases: readonly Case[] = [
  // account-data.yaml
  [403, 'M_FORBIDDEN', 'GET', '/v3/user/BOB/account_data/m.odd'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/user/ALICE/account_data/m.odd'],
  [403, 'M_FORBIDDEN', 'PUT', '/v3/user/BOB/account_data/m.odd', {}],
  [405, 'M_BAD_JSON', 'PUT', '/v3/user/ALICE/account_data/m.push_rules', {}],
  [400, 'M_INVALID_PARAM', 'GET', '/v3/user/ALICE/rooms/nonsense/account_data/m.odd'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/user/ALICE/rooms/ROOM/account_data/m.odd'],
  [403, 'M_FORBIDDEN', 'GET', '/v3/user/BOB/rooms/ROOM/account_data/m.odd'],
  [400, 'M_INVALID_PARAM', 'PUT', '/v3/user/ALICE/rooms/nonsense/account_data/m.odd', {}],
  [403, 'M_FORBIDDEN', 'PUT', '/v3/user/BOB/rooms/ROOM/account_data/m.odd', {}],
  [405, 'M_BAD_JSON', 'PUT', '/v3/user/ALICE/rooms/ROOM/account_data/m.fully_read', {}],
  // admin.yaml
  [403, 'M_FORBIDDEN', 'GET', '/v1/admin/lock/BOB'],
  [403, 'M_FORBIDDEN', 'PUT', '/v1/admin/suspend/BOB', { suspended: true }],
  // banning.yaml, kicking.yaml, inviting.yaml, joining.yaml, leaving.yaml
  [403, 'M_FORBIDDEN', 'POST', '/v3/rooms/OTHER/ban', { user_id: 'BOB' }],
  [403, 'M_FORBIDDEN', 'POST', '/v3/rooms/OTHER/unban', { user_id: 'BOB' }],
  [403, 'M_FORBIDDEN', 'POST', '/v3/rooms/OTHER/kick', { user_id: 'BOB' }],
  [403, 'M_FORBIDDEN', 'POST', '/v3/rooms/OTHER/invite', { user_id: 'BOB' }],
  [403, 'M_FORBIDDEN', 'POST', '/v3/rooms/OTHER/join', {}],
  [403, 'M_FORBIDDEN', 'POST', '/v3/join/OTHER', {}],
  [400, 'M_UNKNOWN', 'POST', '/v3/rooms/ROOM/forget', {}],
  // content-repo.yaml
  [404, 'M_NOT_FOUND', 'PUT', '/_matrix/media/v3/upload/SERVER/none', 'text'],
  [400, 'M_INVALID_PARAM', 'GET', '/v1/media/thumbnail/SERVER/none?width=-1&height=1'],
  // create_room.yaml
  [400, 'M_ROOM_IN_USE', 'POST', '/v3/createRoom', { room_alias_name: 'taken' }],
  [400, 'M_UNSUPPORTED_ROOM_VERSION', 'POST', '/v3/createRoom', { room_version: '99' }],
  [400, 'M_INVALID_ROOM_STATE', 'POST', '/v3/createRoom', { power_level_content_override: { users: { ALICE: 0 } }, room_version: '11', initial_state: [{ type: 'm.room.topic', content: { topic: 'x' } }] }],
  // cross_signing.yaml
  [400, 'M_MISSING_PARAM', 'POST', '/v3/keys/device_signing/upload', { self_signing_key: { user_id: 'ALICE', usage: ['self_signing'], keys: { 'ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA': 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' } } }],
  // device_management.yaml
  [404, 'M_NOT_FOUND', 'GET', '/v3/devices/NONE'],
  [404, 'M_NOT_FOUND', 'PUT', '/v3/devices/NONE', { display_name: 'x' }],
  // directory.yaml
  [400, 'M_INVALID_PARAM', 'GET', '/v3/directory/room/nonsense'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/directory/room/NOALIAS'],
  [400, 'M_INVALID_PARAM', 'PUT', '/v3/directory/room/nonsense', { room_id: 'ROOM' }],
  [409, 'M_UNKNOWN', 'PUT', '/v3/directory/room/ALIAS', { room_id: 'ROOM' }],
  [404, 'M_NOT_FOUND', 'DELETE', '/v3/directory/room/NOALIAS'],
  [400, 'M_INVALID_PARAM', 'GET', '/v3/rooms/nonsense/aliases'],
  [403, 'M_FORBIDDEN', 'GET', '/v3/rooms/OTHER/aliases'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/directory/list/room/NOROOM'],
  [404, 'M_NOT_FOUND', 'PUT', '/v3/directory/list/room/NOROOM', { visibility: 'public' }],
  // filter.yaml
  [404, 'M_NOT_FOUND', 'GET', '/v3/user/ALICE/filter/99'],
  // key_backup.yaml
  [404, 'M_NOT_FOUND', 'GET', '/v3/room_keys/version'],
  [404, 'M_NOT_FOUND', 'PUT', '/v3/room_keys/version/9', { algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2', auth_data: {} }],
  [404, 'M_NOT_FOUND', 'PUT', '/v3/room_keys/keys?version=9', { rooms: {} }],
  [404, 'M_NOT_FOUND', 'DELETE', '/v3/room_keys/keys?version=9'],
  // login.yaml, refresh.yaml, registration.yaml
  [403, 'M_FORBIDDEN', 'POST', '/v3/login', { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'wrong' }],
  [400, 'M_UNKNOWN', 'POST', '/v3/login', { type: 'm.login.none' }],
  [401, 'M_UNKNOWN_TOKEN', 'POST', '/v3/refresh', { refresh_token: 'none' }],
  [400, 'M_USER_IN_USE', 'GET', '/v3/register/available?username=bob'],
  [400, 'M_INVALID_USERNAME', 'GET', '/v3/register/available?username=%2A'],
  [400, 'M_USER_IN_USE', 'POST', '/v3/register', { username: 'bob', password: 'x long enough' }],
  [400, 'M_INVALID_USERNAME', 'POST', '/v3/register', { username: '*', password: 'x long enough' }],
  // message_pagination.yaml, room_state.yaml, rooms.yaml, event_context.yaml
  [403, 'M_FORBIDDEN', 'GET', '/v3/rooms/OTHER/messages?dir=b'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/rooms/ROOM/event/NOEVENT'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/rooms/ROOM/context/NOEVENT'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/rooms/ROOM/state/m.odd/'],
  [403, 'M_FORBIDDEN', 'GET', '/v3/rooms/OTHER/state'],
  [403, 'M_FORBIDDEN', 'GET', '/v3/rooms/OTHER/state/m.room.name/'],
  [403, 'M_FORBIDDEN', 'GET', '/v3/rooms/OTHER/members'],
  [403, 'M_FORBIDDEN', 'GET', '/v3/rooms/OTHER/joined_members'],
  [403, 'M_FORBIDDEN', 'GET', '/v3/rooms/OTHER/initialSync'],
  [400, 'M_BAD_ALIAS', 'PUT', '/v3/rooms/ROOM/state/m.room.canonical_alias/', { alias: 'NOALIAS' }],
  [400, 'M_INVALID_PARAM', 'PUT', '/v3/rooms/ROOM/state/m.room.canonical_alias/', { alias: 'nonsense' }],
  [403, 'M_FORBIDDEN', 'PUT', '/v3/rooms/OTHER/state/m.room.topic/', { topic: 'x' }],
  // mutual_rooms.yaml, profile.yaml
  [400, 'M_INVALID_PARAM', 'GET', '/unstable/uk.half-shot.msc2666/user/mutual_rooms?user_id=ALICE'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/profile/NOBODY'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/profile/NOBODY/displayname'],
  [403, 'M_FORBIDDEN', 'PUT', '/v3/profile/BOB/displayname', { displayname: 'x' }],
  [400, 'M_MISSING_PARAM', 'PUT', '/v3/profile/ALICE/displayname', {}],
  [400, 'M_INVALID_PARAM', 'PUT', '/v3/profile/ALICE/odd', { odd: 1 }],
  [400, 'M_PROFILE_TOO_LARGE', 'PUT', '/v3/profile/ALICE/m.odd', { 'm.odd': 'x'.repeat(65_536) }],
  [400, 'M_KEY_TOO_LARGE', 'PUT', `/v3/profile/ALICE/m.${'x'.repeat(255)}`, { [`m.${'x'.repeat(255)}`]: 1 }],
  [403, 'M_FORBIDDEN', 'DELETE', '/v3/profile/BOB/displayname'],
  // pushrules.yaml
  [404, 'M_NOT_FOUND', 'GET', '/v3/pushrules/global/override/none'],
  [404, 'M_NOT_FOUND', 'DELETE', '/v3/pushrules/global/override/none'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/pushrules/global/override/none/enabled'],
  [404, 'M_NOT_FOUND', 'PUT', '/v3/pushrules/global/override/none/enabled', { enabled: true }],
  [404, 'M_NOT_FOUND', 'PUT', '/v3/pushrules/global/override/none/actions', { actions: [] }],
  [400, 'M_UNKNOWN', 'PUT', '/v3/pushrules/global/override/mine?before=none', { actions: [], conditions: [] }],
  // receipts.yaml, report_content.yaml, room_summary.yaml, space_hierarchy.yaml
  [400, 'M_INVALID_PARAM', 'POST', '/v3/rooms/ROOM/receipt/m.fully_read/EVENT', { thread_id: 'main' }],
  [404, 'M_NOT_FOUND', 'POST', '/v3/rooms/NOROOM/report', { reason: 'x' }],
  [404, 'M_NOT_FOUND', 'POST', '/v3/rooms/ROOM/report/NOEVENT', { reason: 'x' }],
  [404, 'M_NOT_FOUND', 'POST', '/v3/users/NOBODY/report', { reason: 'x' }],
  [404, 'M_NOT_FOUND', 'GET', '/v1/room_summary/NOALIAS'],
  [403, 'M_FORBIDDEN', 'GET', '/v1/rooms/OTHER/hierarchy'],
  [400, 'M_INVALID_PARAM', 'GET', '/v1/rooms/ROOM/hierarchy?from=nonsense'],
  // third_party_lookup.yaml, oauth_server_metadata.yaml
  [404, 'M_NOT_FOUND', 'GET', '/v3/thirdparty/protocol/none'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/thirdparty/location/none'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/thirdparty/user/none'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/thirdparty/location?alias=ALIAS'],
  [404, 'M_NOT_FOUND', 'GET', '/v3/thirdparty/user?userid=BOB'],
  [404, 'M_UNRECOGNIZED', 'GET', '/v1/auth_metadata'],
];

describe('errors that the specification names', () => {
  let net: Network;
  let alice: TestClient;
  let values: Record<string, string>;
  beforeAll(async () => {
    net = await Network.start();
    alice = (await Promise.all(['alice', 'bob'].map((name) => net.client().register(name))))[0]!;
    const bob = await net.client().login('bob');
    const { name } = net.server('a');
    const { room_id: room } = await alice.request('POST', '/v3/createRoom', {});
    const { room_id: other } = await bob.request('POST', '/v3/createRoom', { room_alias_name: 'taken' });
    const { event_id: event } = await alice.request('PUT', `/v3/rooms/${room}/send/m.room.message/1`, { msgtype: 'm.text', body: 'x' });
    values = {
      NOALIAS: `#none:${name}`, NOROOM: `!none:${name}`, NOEVENT: `$${'A'.repeat(43)}`, NOBODY: `@nobody:${name}`, ALIAS: `#taken:${name}`, ALICE: alice.userId, BOB: bob.userId,
      OTHER: other, ROOM: room, EVENT: event, SERVER: name,
    };
    await TestDeviceKeys.upload(alice);
  });
  afterAll(() => net.stop());

  const names = /\b(NOALIAS|NOROOM|NOEVENT|NOBODY|ALIAS|ALICE|BOB|OTHER|ROOM|EVENT|SERVER)\b/g;
  const filled = (text: string, encode = (value: string) => value): string => text.replace(names, (name) => encode(values[name]!));

  it.each(cases.map((one) => ({ name: one.slice(0, 4).join(' ').slice(0, 120), one })))('$name', async ({ one: [status, errcode, method, path, body] }) => {
    const sent = typeof body === 'object' ? JSON.parse(filled(JSON.stringify(body))) : body;
    await alice.expectError(status, errcode, method, filled(path, encodeURIComponent), sent);
  });
});
