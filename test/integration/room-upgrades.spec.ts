import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let far: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [alice, bob, far] = await Promise.all([net.client('a').register('alice'), net.client('a').register('bob'), net.client('b').register('far')]);
});
afterAll(() => net.stop());

const create = async (client: TestClient, body: Json = {}): Promise<string> => (await client.request('POST', '/v3/createRoom', body)).room_id;
const upgrade = async (client: TestClient, roomId: string, version: string, more: Json = {}): Promise<string> =>
  (await client.request('POST', `${roomPath(roomId)}/upgrade`, { new_version: version, ...more })).replacement_room;
const state = async (client: TestClient, roomId: string): Promise<Map<string, Json>> =>
  new Map((await client.request('GET', `${roomPath(roomId)}/state`)).map((event: Json) => [`${event.type} ${event.state_key}`, event]));
const contentOf = async (client: TestClient, roomId: string, type: string, key = ''): Promise<Json> => client.request('GET', `${roomPath(roomId)}/state/${type}/${encodeURIComponent(key)}`);
const set = (client: TestClient, roomId: string, type: string, content: Json, key = ''): Promise<Json> => client.request('PUT', `${roomPath(roomId)}/state/${type}/${encodeURIComponent(key)}`, content);
const join = (client: TestClient, roomId: string, via?: string): Promise<Json> => client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via } });
const user = (client: TestClient): string => `/v3/user/${encodeURIComponent(client.userId)}`;

describe('an upgrade of a room', () => {
  it('moves its state, its bans, its levels, its addresses and its place in the directory', async () => {
    const roomId = await create(alice, { room_version: '10', preset: 'public_chat', visibility: 'public', name: 'Club', topic: 'Talk', room_alias_name: 'club' });
    const alias = `#club:${net.server('a').name}`;
    await set(alice, roomId, 'm.room.avatar', { url: 'mxc://example.org/club' });
    await set(alice, roomId, 'm.room.server_acl', { allow: ['*'], deny: ['evil.example.org'] });
    await set(alice, roomId, 'm.room.pinned_events', { pinned: ['$x'] });
    await set(alice, roomId, 'm.room.power_levels', { ...(await contentOf(alice, roomId, 'm.room.power_levels')), users: { [alice.userId]: 100, [bob.userId]: 60 } });
    const villain = `@villain:${net.server('a').name}`;
    await alice.request('POST', `${roomPath(roomId)}/ban`, { user_id: villain, reason: 'spam' });
    await join(bob, roomId);
    await bob.expectError(403, 'M_FORBIDDEN', 'POST', `${roomPath(roomId)}/upgrade`, { new_version: '11' });

    const next = await upgrade(alice, roomId, '12');
    const [old, now] = [await state(alice, roomId), await state(alice, next)];
    expect(old.get('m.room.tombstone ').content).toEqual({ body: expect.any(String), replacement_room: next });
    expect(now.get('m.room.create ').content).toMatchObject({ room_version: '12', predecessor: { room_id: roomId } });
    for (const type of ['m.room.name', 'm.room.topic', 'm.room.avatar', 'm.room.server_acl', 'm.room.history_visibility', 'm.room.join_rules']) {
      expect([type, now.get(`${type} `)?.content]).toEqual([type, old.get(`${type} `).content]);
    }
    expect(now.has('m.room.pinned_events ')).toBe(false);
    // Nothing was said of guests, which kept them out.
    expect(now.get('m.room.guest_access ').content).toEqual({ guest_access: 'forbidden' });
    expect(now.get(`m.room.member ${villain}`).content).toMatchObject({ membership: 'ban', reason: 'spam' });
    expect(now.get('m.room.power_levels ').content).toMatchObject({ users: { [bob.userId]: 60 }, events: { 'm.room.tombstone': 150 } });
    expect(now.get('m.room.power_levels ').content.users[alice.userId]).toBeUndefined();
    expect(old.get('m.room.power_levels ').content).toMatchObject({ events_default: 50, invite: 50, users: { [alice.userId]: 100 } });
    expect(now.get('m.room.canonical_alias ').content).toEqual({ alias });
    expect(old.get('m.room.canonical_alias ').content).toEqual({});
    expect((await bob.request('GET', `/v3/directory/room/${encodeURIComponent(alias)}`)).room_id).toBe(next);
    expect((await bob.request('GET', `/v3/directory/list/room/${encodeURIComponent(next)}`)).visibility).toBe('public');
    expect((await bob.request('GET', `/v3/directory/list/room/${encodeURIComponent(roomId)}`)).visibility).toBe('private');
    // Asked again, it is the same room.
    expect(await upgrade(alice, roomId, '12')).toBe(next);
  });

  it('is possible from every version to every other', async () => {
    const versions = ['1', '5', '8', '9', '11', '12', 'io.partyline.1'];
    for (const [index, version] of versions.entries()) {
      let roomId = await create(alice, { room_version: version, name: `From ${version}` });
      for (const target of versions.filter((_, at) => at !== index)) {
        const next = await upgrade(alice, roomId, target);
        expect((await contentOf(alice, next, 'm.room.create')).room_version).toBe(target);
        expect((await contentOf(alice, next, 'm.room.name')).name).toBe(`From ${version}`);
        roomId = next;
      }
    }
  });

  it('keeps the power of creators where the version knows none of them', async () => {
    const roomId = await create(alice, { room_version: '12', creation_content: { additional_creators: [bob.userId] } });
    const next = await upgrade(alice, roomId, '11');
    expect((await contentOf(alice, next, 'm.room.power_levels')).users).toEqual({ [alice.userId]: 150, [bob.userId]: 150 });
    const last = await upgrade(alice, next, '12', { additional_creators: [bob.userId] });
    expect((await contentOf(alice, last, 'm.room.create')).additional_creators).toEqual([bob.userId]);
    expect((await contentOf(alice, last, 'm.room.power_levels')).users).toEqual({});
  });

  it('lets somebody upgrade who could not set all of the state', async () => {
    const roomId = await create(alice, { room_version: '11', preset: 'public_chat' });
    await set(alice, roomId, 'm.room.server_acl', { allow: ['*'] });
    const levels = await contentOf(alice, roomId, 'm.room.power_levels');
    await set(alice, roomId, 'm.room.power_levels', { ...levels, users: { [alice.userId]: 100, [bob.userId]: 40 }, events: { ...levels.events, 'm.room.tombstone': 40 } });
    await join(bob, roomId);
    const next = await upgrade(bob, roomId, '10');
    const now = await state(bob, next);
    expect(now.get('m.room.server_acl ').content).toEqual({ allow: ['*'] });
    expect(now.get('m.room.power_levels ').content.users).toEqual({ [alice.userId]: 100, [bob.userId]: 40 });
    // What it may not do in the old room is left out.
    expect((await contentOf(alice, roomId, 'm.room.power_levels')).events_default).toBe(0);
  });

  it('lets the members of the old room into a restricted one, and makes rules stricter that a version does not have', async () => {
    const roomId = await create(alice, { room_version: '10', initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'knock_restricted', allow: [] } }] });
    const next = await upgrade(alice, roomId, '9');
    expect(await contentOf(alice, next, 'm.room.join_rules')).toEqual({ join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: roomId }] });
    const last = await upgrade(alice, next, '6');
    expect((await contentOf(alice, last, 'm.room.join_rules')).join_rule).toBe('invite');
  });

  it('of a space keeps its children', async () => {
    const space = await create(alice, { room_version: '11', creation_content: { type: 'm.space', 'm.federate': false } });
    const child = await create(alice);
    await set(alice, space, 'm.space.child', { via: [net.server('a').name], order: 'a' }, child);
    await set(alice, space, 'm.space.child', {}, `!gone:${net.server('a').name}`);
    const now = await state(alice, await upgrade(alice, space, '12'));
    expect(now.get('m.room.create ').content).toMatchObject({ type: 'm.space', 'm.federate': false });
    expect(now.get(`m.space.child ${child}`).content).toEqual({ via: [net.server('a').name], order: 'a' });
    expect([...now.keys()].filter((key) => key.startsWith('m.space.child'))).toHaveLength(1);
  });

  it('is refused with a reason', async () => {
    const roomId = await create(alice);
    const path = `${roomPath(roomId)}/upgrade`;
    await alice.expectError(400, 'M_UNSUPPORTED_ROOM_VERSION', 'POST', path, { new_version: 'potato' });
    await alice.expectError(400, 'M_MISSING_PARAM', 'POST', path, {});
    await alice.expectError(400, 'M_BAD_JSON', 'POST', path, { new_version: '12', additional_creators: ['nobody'] });
    await bob.expectError(403, 'M_FORBIDDEN', 'POST', path, { new_version: '11' });
    await bob.expectError(403, 'M_FORBIDDEN', 'POST', `${roomPath('!none:example.org')}/upgrade`, { new_version: '11' });
  });

  it.each(['here', 'elsewhere'])('takes along what somebody %s has set for the room', async (where) => {
    const member = where === 'here' ? bob : far;
    const roomId = await create(alice, { room_version: '10', preset: 'public_chat' });
    await join(member, roomId, net.server('a').name);
    await member.request('PUT', `${user(member)}/rooms/${encodeURIComponent(roomId)}/tags/m.favourite`, { order: 0.5 });
    await member.request('PUT', `${user(member)}/account_data/m.direct`, { [alice.userId]: [roomId] });
    await member.request('PUT', `/v3/pushrules/global/room/${encodeURIComponent(roomId)}`, { actions: ['notify'] });
    await member.request('PUT', `/v3/pushrules/global/override/${encodeURIComponent(roomId)}`, { actions: [], conditions: [{ kind: 'event_match', key: 'room_id', pattern: roomId }] });
    await member.request('PUT', `/v3/pushrules/global/override/${encodeURIComponent(roomId)}/enabled`, { enabled: false });
    const next = await upgrade(alice, roomId, '11');
    await join(member, next, net.server('a').name);
    expect((await member.request('GET', `${user(member)}/rooms/${encodeURIComponent(next)}/tags`)).tags).toEqual({ 'm.favourite': { order: 0.5 } });
    expect(await member.request('GET', `${user(member)}/account_data/m.direct`)).toEqual({ [alice.userId]: [roomId, next] });
    const rules = (await member.request('GET', '/v3/pushrules/')).global;
    expect(rules.room.map((rule: Json) => rule.rule_id).sort()).toEqual([roomId, next].sort());
    expect(rules.override.find((rule: Json) => rule.rule_id === next)).toMatchObject({ enabled: false, conditions: [{ kind: 'event_match', key: 'room_id', pattern: next }] });
  });

  it('moves what another server has of the room, and nothing for a room that only says so', async () => {
    const roomId = await create(alice, { room_version: '11', preset: 'public_chat' });
    await join(far, roomId, net.server('a').name);
    const alias = `#farclub:${net.server('b').name}`;
    await far.request('PUT', `/v3/directory/room/${encodeURIComponent(alias)}`, { room_id: roomId });
    await far.request('PUT', `${user(far)}/rooms/${encodeURIComponent(roomId)}/tags/u.mine`, {});
    const impostor = await net.client('b').register('impostor');
    const false_ = await create(impostor, { preset: 'public_chat', creation_content: { predecessor: { room_id: roomId, event_id: '$x' } } });
    await join(far, false_);
    expect((await far.request('GET', `/v3/directory/room/${encodeURIComponent(alias)}`)).room_id).toBe(roomId);
    expect((await far.request('GET', `${user(far)}/rooms/${encodeURIComponent(false_)}/tags`)).tags).toEqual({});
    const next = await upgrade(alice, roomId, '12');
    await join(far, next, net.server('a').name);
    await eventually(async () => (await far.request('GET', `/v3/directory/room/${encodeURIComponent(alias)}`)).room_id === next);
    expect((await far.request('GET', `${user(far)}/rooms/${encodeURIComponent(next)}/tags`)).tags).toEqual({ 'u.mine': {} });
  });

  it('is followed by the search', async () => {
    const roomId = await create(alice, { room_version: '11' });
    const say = async (room: string): Promise<string> => (await alice.request('PUT', `${roomPath(room)}/send/m.room.message/${alice.nextTxn()}`, { msgtype: 'm.text', body: 'continuity' })).event_id;
    const before = await say(roomId);
    const next = await upgrade(alice, roomId, '12');
    const after = await say(next);
    const { results } = (await alice.request('POST', '/v3/search', { search_categories: { room_events: { search_term: 'continuity', order_by: 'recent', filter: { rooms: [next] } } } })).search_categories.room_events;
    expect(results.map((one: Json) => one.result.event_id)).toEqual([after, before]);
  });
});
