import { buildEvent, roomVersion, type RoomEvent } from '../../libs/federation/src/index.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import type { HostileRoom } from './hostile-room.js';
import { type HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';
import { OfferedRoom } from './offered-room.js';
import { tableCounts } from './table-counts.js';

let world: HostileWorld;
let hostile: HostileServer;
let a: TestServer;
let alice: TestClient;
let bob: TestClient;

beforeAll(async () => {
  world = await HostileWorld.start();
  ({ hostile, a, alice, bob } = world);
});
afterAll(() => world?.stop());

describe.each(['10', '12'])('joining a room of version %s', (version) => {
  let roomId: string;
  let bad: HostileRoom;
  beforeAll(async () => {
    ({ roomId, bad } = await world.sharedRoom(version));
  });
  const sendJoin = (event: RoomEvent, changes: { id?: string; body?: Json; room?: string } = {}) =>
    [`/_matrix/federation/v2/send_join/${encodeURIComponent(changes.room ?? roomId)}/${encodeURIComponent(changes.id ?? event.eventId)}`, changes.body ?? wire(event)] as const;

  it('wants the room version to be known', async () => {
    const make = (query: string) => `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(hostile.user('new'))}${query}`;
    for (const query of ['', '?ver=1', '?ver=99&ver=x', '?ver=']) {
      const error = await hostile.expectError(400, 'M_INCOMPATIBLE_ROOM_VERSION', a, 'GET', make(query));
      expect(error.room_version).toBe(version);
    }
  });

  it('is for users of the server that asks', async () => {
    for (const [userId, status, errcode] of [
      [bob.userId, 403, 'M_FORBIDDEN'], [alice.userId, 403, 'M_FORBIDDEN'], ['nobody', 400, 'M_INVALID_PARAM'],
      [hostile.user('x'.repeat(255)), 400, 'M_INVALID_PARAM'],
    ] as const) {
      await hostile.expectError(status, errcode, a, 'GET', `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}?ver=${version}`);
    }
  });

  it('refuses joins that are not what they claim', async () => {
    const join = await bad.madeJoin(a, hostile.user('new'));
    const forged = { ...wire(join), signatures: { [hostile.name]: { [hostile.key.keyId]: bad.message('x').pdu.signatures[hostile.name]![hostile.key.keyId] } } };
    const { room_id: other } = await alice.request('POST', '/v3/createRoom', { room_version: version, preset: 'public_chat' });
    const cases: [string, number, string, readonly [string, Json]][] = [
      ['another event id', 400, 'M_INVALID_PARAM', sendJoin(join, { id: `$${'D'.repeat(43)}` })],
      ['another room', 400, 'M_INVALID_PARAM', sendJoin(join, { room: other })],
      ['a room that is not here', 404, 'M_NOT_FOUND', sendJoin(join, { room: `!${'E'.repeat(43)}` })],
      ['no signature', 403, 'M_FORBIDDEN', sendJoin(join, { body: { ...wire(join), signatures: {} } })],
      ['no hash', 403, 'M_FORBIDDEN', sendJoin(join, { body: { ...wire(join), hashes: undefined } })],
      ['a wrong signature', 403, 'M_FORBIDDEN', sendJoin(join, { body: forged })],
      ['a message', 400, 'M_BAD_JSON', sendJoin(bad.message('x'))],
      ['a leave', 400, 'M_BAD_JSON', sendJoin(await bad.madeJoin(a, hostile.user('new'), { content: { membership: 'leave' } }))],
      ['a join of somebody else', 400, 'M_BAD_JSON', sendJoin(await bad.madeJoin(a, hostile.user('new'), { sender: bad.userId }))],
      ['a user of another server', 403, 'M_FORBIDDEN', sendJoin(await bad.madeJoin(a, hostile.user('new'), { sender: bob.userId, state_key: bob.userId }))],
      ['nothing', 400, 'M_BAD_JSON', sendJoin(join, { body: {} })],
      ['a list', 400, 'M_BAD_JSON', sendJoin(join, { body: [] })],
      ['an empty list of auth events', 403, 'M_FORBIDDEN', sendJoin(await bad.madeJoin(a, hostile.user('new'), { auth_events: [] }))],
    ];
    for (const [name, status, errcode, [uri, body]] of cases) {
      const answer = await hostile.raw(a, 'PUT', uri, body);
      expect([name, answer.status, answer.body?.errcode]).toEqual([name, status, errcode]);
      const v1 = await hostile.raw(a, 'PUT', uri.replace('/v2/', '/v1/'), body);
      expect([name, v1.status, v1.body?.errcode]).toEqual([name, status, errcode]);
    }
    expect(Object.keys((await alice.request('GET', `${path(roomId)}/joined_members`)).joined)).not.toContain(hostile.user('new'));
  });

  it('refuses a banned user, also one whose join was sent before', async () => {
    const user = hostile.user('banned');
    const join = await bad.madeJoin(a, user);
    await alice.request('POST', `${path(roomId)}/ban`, { user_id: user });
    const banned = bad.event({ ...join.pdu, type: 'm.room.member', prev_events: await latestOf(a, roomId) });
    for (const event of [join, banned]) {
      for (let i = 0; i < 2; i++) {
        const [uri, body] = sendJoin(event);
        await hostile.expectError(403, 'M_FORBIDDEN', a, 'PUT', uri, body);
      }
    }
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'GET', `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(user)}?ver=${version}`);
    expect((await world.state(alice, roomId, 'm.room.member', user)).membership).toBe('ban');
  });

  it('is signed for by a member of a restricted room only for who is in one of the rooms that it names', async () => {
    const { room_id: gate } = await alice.request('POST', '/v3/createRoom', { room_version: version, preset: 'private_chat' });
    const { roomId: closed, bad: left } = await world.sharedRoom(version);
    const leave = left.member(left.userId, 'leave');
    await hostile.send(a, [wire(leave)]);
    left.follow(leave);
    const rule = { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: gate }] };
    const { event_id: ruleId } = await alice.request('PUT', `${path(closed)}/state/m.room.join_rules`, rule);
    left.state.set('m.room.join_rules\0', ruleId);
    const inviter = (await alice.request('GET', `${path(closed)}/state`)).find((event: Json) => event.state_key === alice.userId).event_id;
    const content = { membership: 'join', join_authorised_via_users_server: alice.userId };
    const join = left.event({ type: 'm.room.member', state_key: left.userId, content, prev_events: [ruleId] });
    const cited = left.event({ ...join.pdu, type: 'm.room.member', auth_events: [...new Set([...join.pdu.auth_events, inviter])] });
    const [uri, body] = sendJoin(cited, { room: closed });
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'PUT', uri, body);
    expect(Object.keys((await alice.request('GET', `${path(closed)}/joined_members`)).joined)).not.toContain(left.userId);
  });

  it('refuses servers that the room denies', async () => {
    const { roomId: closed, bad: denied } = await world.sharedRoom(version);
    const message = denied.message('before');
    await alice.request('PUT', `${path(closed)}/state/m.room.server_acl`, { allow: ['*'], deny: [hostile.name.split(':')[0]!, 'localhost'] });
    expect(await hostile.send(a, [wire(message)])).toEqual({ [message.eventId]: { error: expect.stringContaining('not allowed') } });
    for (const uri of [`make_join/${encodeURIComponent(closed)}/${encodeURIComponent(hostile.user('x'))}?ver=${version}`, `make_leave/${encodeURIComponent(closed)}/${encodeURIComponent(bad.userId)}`]) {
      await hostile.expectError(403, 'M_FORBIDDEN', a, 'GET', `/_matrix/federation/v1/${uri}`);
    }
    expect(await world.statusOf(message)).toBeUndefined();
  });
});

/** The room's forward extremities, as templates name them. */
async function latestOf(server: TestServer, roomId: string): Promise<string[]> {
  const template = await hostile.request(server, 'GET', `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(hostile.user('probe'))}?ver=10&ver=12`);
  return template.event.prev_events;
}

describe('a room of a hostile server', () => {
  it('does not begin a second time', async () => {
    const room = new OfferedRoom(hostile, 'twice');
    await alice.request('POST', `/v3/join/${encodeURIComponent(room.roomId)}`, {}, { query: { via: hostile.name } });
    const create = await world.state(alice, room.roomId, 'm.room.create');
    const content = { room_version: '10', creator: room.creator, again: true };
    const second = room.event({ type: 'm.room.create', state_key: '', content, prev_events: [], auth_events: [], depth: 1 });
    expect(await hostile.send(a, [wire(second)])).toEqual({ [second.eventId]: { error: 'the room has a create event' } });
    expect(await world.state(alice, room.roomId, 'm.room.create')).toEqual(create);
    const next = room.message('after');
    await hostile.send(a, [wire(next)]);
    expect(await world.isShown(room.roomId, next)).toBe(true);
  });
});

describe('an answer that counts the join itself to the state before it', () => {
  const given = (room: OfferedRoom, join: RoomEvent): Json => {
    const after = room.state.filter((event) => event.pdu.state_key !== join.pdu.state_key).map(wire);
    return { origin: hostile.name, members_omitted: false, state: [...after, wire(join)], auth_chain: [...room.state.map(wire), wire(join)], event: wire(join) };
  };
  it('lets the user in, in a public room', async () => {
    const room: OfferedRoom = new OfferedRoom(hostile, 'counted', async (join) => given(room, join));
    await alice.request('POST', `/v3/join/${encodeURIComponent(room.roomId)}`, {}, { query: { via: hostile.name } });
    expect(Object.keys((await alice.request('GET', `${path(room.roomId)}/joined_members`)).joined).sort()).toEqual([alice.userId, room.creator].sort());
  });

  it('lets the user in by an invitation', async () => {
    const replaced: RoomEvent[] = [];
    const room: OfferedRoom = new OfferedRoom(hostile, 'invited', async (join) => {
      const answer = given(room, join);
      return { ...answer, auth_chain: [...answer.auth_chain, ...replaced.map(wire)] };
    });
    room.follow(room.event({ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'invite' } }));
    replaced.push(room.follow(room.event({ type: 'm.room.member', state_key: alice.userId, content: { membership: 'invite' } })));
    await alice.request('POST', `/v3/join/${encodeURIComponent(room.roomId)}`, {}, { query: { via: hostile.name } });
    const { timeline } = (await alice.request('GET', '/v3/sync')).rooms.join[room.roomId];
    expect(timeline.events.at(-1)).toMatchObject({ state_key: alice.userId, unsigned: { prev_content: { membership: 'invite' } } });
  });
});

describe('a room that a hostile server offers', () => {
  const attempt = async (template: Json, answer: Json) => {
    hostile.on(/make_join/, () => template);
    hostile.on(/send_join/, () => answer);
    return alice.raw('POST', `/v3/join/${encodeURIComponent(`!offered:${hostile.name}`)}`, {}, { query: { via: hostile.name } });
  };
  const template = (changes: Json = {}, event: Json = {}) => ({
    room_version: '11', event: { prev_events: [`$${'F'.repeat(43)}`], auth_events: [`$${'G'.repeat(43)}`], depth: 2, content: { membership: 'join' }, ...event }, ...changes,
  });

  it('is not entered when it does not hold together', async () => {
    const before = await tableCounts(a);
    const create = buildEvent({
      type: 'm.room.create', state_key: '', room_id: `!offered:${hostile.name}`, sender: hostile.user('mallory'), content: { room_version: '11' },
      origin_server_ts: 1, depth: 1, prev_events: [], auth_events: [],
    }, roomVersion('11')!, { name: hostile.name, key: hostile.key });
    const foreign = buildEvent({ ...create.pdu, room_id: '!other:x' }, roomVersion('11')!, { name: hostile.name, key: hostile.key });
    const otherVersion = buildEvent({ ...create.pdu, content: { room_version: '10' } }, roomVersion('11')!, { name: hostile.name, key: hostile.key });
    const answers: [string, Json, Json][] = [
      ['an unknown version', template({ room_version: '99' }), {}],
      ['no version', template({ room_version: undefined }), {}],
      ['no template', { room_version: '11' }, {}],
      ['a template of other types', template({}, { prev_events: 'x' }), {}],
      ['too many prev_events', template({}, { prev_events: Array.from({ length: 21 }, () => '$x') }), {}],
      ['a depth that is no integer', template({}, { depth: 1.5 }), {}],
      ['prev_events that are too long', template({}, { prev_events: Array.from({ length: 20 }, () => '$' + 'x'.repeat(10_000)) }), {}],
      ['half characters', template({}, { content: { join_authorised_via_users_server: '\ud800' } }), {}],
      ['no state', template(), {}],
      ['a state of other things', template(), { state: [1, null, 'x', {}], auth_chain: [[]] }],
      ['garbage', template(), 'nonsense'],
      ['a state without create event', template(), { state: [], auth_chain: [] }],
      ['the create event of another room', template(), { state: [wire(foreign)], auth_chain: [] }],
      ['a create event of another version', template(), { state: [wire(otherVersion)], auth_chain: [] }],
      ['an unsigned create event', template(), { state: [{ ...wire(create), signatures: {} }], auth_chain: [] }],
      ['a room that does not let anybody in', template(), { state: [wire(create)], auth_chain: [wire(create)] }],
    ];
    for (const [name, offered, answer] of answers) {
      const { status, body } = await attempt(offered, answer);
      expect([name, status >= 400 && (status < 500 || status === 502), typeof body?.errcode]).toEqual([name, true, 'string']);
    }
    expect((await alice.request('GET', '/v3/joined_rooms')).joined_rooms).not.toContain(`!offered:${hostile.name}`);
    const after = await tableCounts(a);
    for (const table of ['rooms', 'events', 'current_state', 'local_memberships']) expect([table, after[table]]).toEqual([table, before[table]]);
  });
});
