import { Network } from '../network/network.js';
import { roomPath as room } from '../network/room-pages.js';
import { joinedMembers as members, settles, stateOf as state } from '../network/room-requests.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let carol: TestClient;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  alice = await net.client('a').register('alice');
  bob = await net.client('a').register('bob');
  carol = await net.client('b').register('carol');
  for (const client of [bob, carol]) await client.request('PUT', `/v3/profile/${encodeURIComponent(client.userId)}/displayname`, { displayname: 'Knocker' });
}, 60_000);
afterAll(() => net?.stop());

const create = async (version: string, rule: Json = { join_rule: 'knock' }, more: Json = {}): Promise<string> =>
  (await alice.request('POST', '/v3/createRoom', {
    room_version: version, preset: 'private_chat', name: 'The house', initial_state: [{ type: 'm.room.join_rules', state_key: '', content: rule }], ...more,
  })).room_id;
const knock = (client: TestClient, roomId: string, body: Json = {}): Promise<Json> =>
  client.request('POST', `/v3/knock/${encodeURIComponent(roomId)}`, body, { query: { via: net.server('a').name } });
const refused = (client: TestClient, roomId: string): Promise<Json> =>
  client.expectError(403, 'M_FORBIDDEN', 'POST', `/v3/knock/${encodeURIComponent(roomId)}`, {}, { query: { server_name: net.server('a').name } });
const rooms = async (client: TestClient, since?: string): Promise<Json> => (await client.request('GET', '/v3/sync', undefined, { query: { since } })).rooms ?? {};
const memberOf = async (roomId: string, client: TestClient): Promise<Json> => state(alice, roomId, 'm.room.member', client.userId);
const knocks = async (client: TestClient, roomId: string): Promise<Json[] | undefined> => (await rooms(client)).knock?.[roomId]?.knock_state.events;

describe.each(['10', '12'])('a room of version %s at which one knocks', (version) => {
  it.each([['of the same server', () => bob], ['of another server', () => carol]] as const)('shows somebody %s what it is, and its people who knocks', async (_, who) => {
    const knocker = who();
    const roomId = await create(version);
    expect(await knock(knocker, roomId, { reason: 'May I?' })).toEqual({ room_id: roomId });
    const shown = (await knocks(knocker, roomId))!;
    const find = (type: string): Json => shown.find((event) => event.type === type);
    expect(find('m.room.name').content).toEqual({ name: 'The house' });
    expect(find('m.room.join_rules').content.join_rule).toBe('knock');
    expect(find('m.room.create')).toBeDefined();
    expect(find('m.room.member')).toMatchObject({ state_key: knocker.userId, sender: knocker.userId, content: { membership: 'knock', reason: 'May I?' } });
    expect(await memberOf(roomId, knocker)).toMatchObject({ membership: 'knock', reason: 'May I?', displayname: 'Knocker' });
    const { timeline } = (await rooms(alice)).join[roomId];
    expect(timeline.events.at(-1)).toMatchObject({ state_key: knocker.userId, content: { membership: 'knock' } });
    // Knocking is not being in it.
    await knocker.expectError(403, 'M_FORBIDDEN', 'GET', `${room(roomId)}/state/m.room.name`);
    await knocker.expectError(403, 'M_FORBIDDEN', 'POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
    // Once more, with other words.
    await knock(knocker, roomId, { reason: 'Please' });
    expect((await memberOf(roomId, knocker)).reason).toBe('Please');
  });

  it.each([['here', () => bob], ['of another server', () => carol]] as const)('takes in who knocked, %s', async (_, who) => {
    const knocker = who();
    const roomId = await create(version);
    await knock(knocker, roomId);
    await alice.request('POST', `${room(roomId)}/invite`, { user_id: knocker.userId });
    await settles(async () => {
      const { invite, knock: knocked } = await rooms(knocker);
      expect(invite?.[roomId]).toBeDefined();
      expect(knocked?.[roomId]).toBeUndefined();
    });
    await refused(knocker, roomId);
    await knocker.request('POST', `${room(roomId)}/join`, {});
    await settles(async () => expect(await members(alice, roomId)).toEqual([alice.userId, knocker.userId].sort()));
    await refused(knocker, roomId);
  });

  it.each([['here', () => bob], ['of another server', () => carol]] as const)('turns away who knocked, %s, who may knock again, and no more after a ban', async (_, who) => {
    const knocker = who();
    const roomId = await create(version);
    await knock(knocker, roomId);
    const { next_batch: since } = await knocker.request('GET', '/v3/sync');
    await alice.request('POST', `${room(roomId)}/kick`, { user_id: knocker.userId, reason: 'no' });
    await settles(async () => {
      expect(await knocks(knocker, roomId)).toBeUndefined();
      const left = (await rooms(knocker, since)).leave?.[roomId].timeline.events;
      expect(left).toEqual([expect.objectContaining({ sender: alice.userId, state_key: knocker.userId, content: expect.objectContaining({ membership: 'leave', reason: 'no' }) })]);
    });
    await knock(knocker, roomId);
    expect((await memberOf(roomId, knocker)).membership).toBe('knock');
    await alice.request('POST', `${room(roomId)}/ban`, { user_id: knocker.userId });
    await settles(async () => expect(await knocks(knocker, roomId)).toBeUndefined());
    await refused(knocker, roomId);
  });

  it.each([['here', () => bob], ['of another server', () => carol]] as const)('is told of a knock that is taken back, %s', async (_, who) => {
    const knocker = who();
    const roomId = await create(version);
    await knock(knocker, roomId);
    const { next_batch: since } = await knocker.request('GET', '/v3/sync');
    await knocker.request('POST', `${room(roomId)}/leave`, {});
    expect((await memberOf(roomId, knocker)).membership).toBe('leave');
    const answer = await rooms(knocker, since);
    expect(answer.leave[roomId].timeline.events).toEqual([expect.objectContaining({ sender: knocker.userId, content: { membership: 'leave' } })]);
    expect(answer.knock?.[roomId]).toBeUndefined();
    await knock(knocker, roomId);
    expect((await memberOf(roomId, knocker)).membership).toBe('knock');
  });

  it('lets also those knock whom a restricted rule does not let in', async () => {
    const gate = await create(version, { join_rule: 'public' });
    const rule = { join_rule: 'knock_restricted', allow: [{ type: 'm.room_membership', room_id: gate, via: [net.server('a').name] }, { type: 'org.example.unknown' }] };
    const roomId = await create(version, rule);
    for (const client of [bob, carol]) {
      await client.expectError(403, 'M_FORBIDDEN', 'POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
      await knock(client, roomId);
      expect((await memberOf(roomId, client)).membership).toBe('knock');
      await client.request('POST', `/v3/join/${encodeURIComponent(gate)}`, {}, { query: { via: net.server('a').name } });
      await client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
      expect((await memberOf(roomId, client)).join_authorised_via_users_server).toBe(alice.userId);
    }
  });
});

it('nobody knocks where there is no door', async () => {
  for (const [version, join_rule] of [['10', 'invite'], ['10', 'public'], ['10', 'restricted'], ['6', 'knock'], ['9', 'knock_restricted']] as const) {
    const roomId = await create(version, { join_rule });
    for (const client of [bob, carol]) await refused(client, roomId);
  }
  await bob.expectError(400, 'M_INVALID_PARAM', 'POST', '/v3/knock/nowhere', {});
  await bob.expectError(404, 'M_NOT_FOUND', 'POST', `/v3/knock/${encodeURIComponent(`#none:${net.server('a').name}`)}`, {});
  await bob.expectError(404, 'M_NOT_FOUND', 'POST', `/v3/knock/${encodeURIComponent(`!none:${net.server('b').name}`)}`, {});
});

it('a room is found by its alias, and by a state event', async () => {
  const roomId = await create('10', { join_rule: 'knock' }, { room_alias_name: 'house' });
  expect(await carol.request('POST', `/v3/knock/${encodeURIComponent(`#house:${net.server('a').name}`)}`, {})).toEqual({ room_id: roomId });
  await bob.request('PUT', `${room(roomId)}/state/m.room.member/${encodeURIComponent(bob.userId)}`, { membership: 'knock' });
  for (const client of [bob, carol]) expect((await memberOf(roomId, client)).membership).toBe('knock');
});

it('an account that ends takes its knocks back', async () => {
  const dave = await net.client('b').register('dave');
  const roomId = await create('10');
  await knock(dave, roomId);
  const { body: { session } } = await dave.raw('POST', '/v3/account/deactivate', {});
  await dave.request('POST', '/v3/account/deactivate', { auth: { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'dave' }, password: 'password of dave', session } });
  await settles(async () => expect((await memberOf(roomId, dave)).membership).toBe('leave'));
});
