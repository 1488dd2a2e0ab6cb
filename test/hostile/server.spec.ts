import { buildEvent, redactPdu, roomVersion, signingKeyFromSeed, type RoomEvent } from '../../libs/federation/src/index.js';
import { EventsStore } from '../../apps/homeserver/src/rooms/timeline/events.store.js';
import { EventStatus } from '../../apps/homeserver/src/rooms/timeline/stored-event.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { tableCounts } from './table-counts.js';

const path = (roomId: string) => `/v3/rooms/${encodeURIComponent(roomId)}`;
const otherKey = signingKeyFromSeed('ed25519:bad', new Uint8Array(32).fill(7));

/** Entries of stored states whose event is not stored. */
const danglingEntries = statement(
  'test.dangling_entries',
  'SELECT count(*)::int AS count FROM state_snapshot_entries s LEFT JOIN events e USING (event_nid) WHERE s.event_nid IS NOT NULL AND e.event_nid IS NULL',
);

let net: Network;
let hostile: HostileServer;
let a: TestServer;
let alice: TestClient;
let bob: TestClient;

beforeAll(async () => {
  net = await Network.start({ servers: 2 });
  hostile = await HostileServer.start();
  a = net.server('a');
  alice = await net.client('a').register('alice');
  bob = await net.client('b').register('bob');
});
afterAll(async () => {
  await hostile?.stop();
  await net?.stop();
});

const state = (client: TestClient, roomId: string, type: string, key = '') =>
  client.request('GET', `${path(roomId)}/state/${type}/${encodeURIComponent(key)}`);
const statusOf = async (server: TestServer, event: RoomEvent) => (await server.get(EventsStore).byId(event.eventId))?.status;
const isShown = async (client: TestClient, roomId: string, event: RoomEvent) =>
  (await client.raw('GET', `${path(roomId)}/event/${encodeURIComponent(event.eventId)}`)).status === 200;

/** A room of all three servers. */
async function sharedRoom(version: string, by = hostile): Promise<{ roomId: string; bad: HostileRoom }> {
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: version, preset: 'public_chat' });
  await bob.request('POST', `${path(roomId)}/join`, {}, { query: { via: a.name } });
  return { roomId, bad: await HostileRoom.join(by, a, roomId) };
}

/** The good servers talk to each other and see the same room. */
async function expectGoodServersAgree(roomId: string): Promise<void> {
  const topic = `after ${Math.random()}`;
  await alice.request('PUT', `${path(roomId)}/state/m.room.topic`, { topic });
  await eventually(async () => (await state(bob, roomId, 'm.room.topic')).topic === topic);
  const { event_id: eventId } = await bob.request('PUT', `${path(roomId)}/send/m.room.message/${Math.random()}`, { body: topic, msgtype: 'm.text' });
  await eventually(async () => (await alice.raw('GET', `${path(roomId)}/event/${encodeURIComponent(eventId)}`)).status === 200);
  const all = async (client: TestClient) => (await client.request('GET', `${path(roomId)}/state`)).map((event: Json) => event.event_id).sort();
  await eventually(async () => JSON.stringify(await all(alice)) === JSON.stringify(await all(bob)));
}

describe.each(['10', '11', '12'])('a hostile server in a room of version %s', (version) => {
  let roomId: string;
  let bad: HostileRoom;
  beforeAll(async () => {
    ({ roomId, bad } = await sharedRoom(version));
  });

  it('can send what is right', async () => {
    const message = bad.message('hello');
    expect(await hostile.send(a, [wire(message)])).toEqual({ [message.eventId]: {} });
    expect(await isShown(alice, roomId, message)).toBe(true);
    bad.follow(message);
  });

  it('cannot forge signatures', async () => {
    const message = bad.message('forged');
    const signed = wire(message);
    const [signature] = Object.values(message.pdu.signatures[hostile.name]!);
    const forgeries: Record<string, Json> = {
      'by another key': { ...signed, signatures: bad.event({ type: 'm.x' }, { name: hostile.name, key: otherKey }).pdu.signatures },
      'for other content': { ...signed, signatures: bad.message('other').pdu.signatures },
      'by a key that nobody has': { ...signed, signatures: { [hostile.name]: { 'ed25519:none': signature } } },
      'by another server only': { ...signed, signatures: { [a.name]: { [hostile.key.keyId]: signature } } },
      'none': { ...signed, signatures: {} },
      'no Base64': { ...signed, signatures: { [hostile.name]: { [hostile.key.keyId]: '!' } } },
      'numbers': { ...signed, signatures: { [hostile.name]: { [hostile.key.keyId]: 1 }, [a.name]: 'x' } },
    };
    for (const [name, pdu] of Object.entries(forgeries)) {
      expect([name, await hostile.send(a, [pdu])]).toEqual([name, { [message.eventId]: { error: expect.stringContaining('signature') } }]);
    }
    expect(await statusOf(a, message)).toBeUndefined();
  });

  it('cannot speak for users of other servers', async () => {
    const forged = [
      bad.message('by alice', { sender: alice.userId }),
      bad.message('by bob', { sender: bob.userId }),
      bad.member(bob.userId, 'leave', { sender: bob.userId }),
      bad.event({ type: 'm.room.power_levels', state_key: '', sender: alice.userId, content: { users: { [hostile.user('mallory')]: 100 } } }),
    ];
    const results = await hostile.send(a, forged.map(wire));
    for (const event of forged) {
      expect(results[event.eventId]).toEqual({ error: expect.stringContaining('signature') });
      expect(await statusOf(a, event)).toBeUndefined();
    }
  });

  it('gets an event whose content was changed stored without it', async () => {
    const message = bad.message('what was signed');
    const changed = { ...wire(message), content: { body: 'what was not signed', msgtype: 'm.text' } };
    expect(await hostile.send(a, [changed])).toEqual({ [message.eventId]: {} });
    const shown = await alice.request('GET', `${path(roomId)}/event/${encodeURIComponent(message.eventId)}`);
    expect(shown.content).toEqual({});
    expect(redactPdu(message.pdu, bad.rules).content).toEqual({});
    bad.follow(message);
  });

  it('cannot change memberships of others, or take power', async () => {
    const powerless = { ban: 0, kick: 0, users_default: 0, users: version === '12' ? {} : { [alice.userId]: 100 } };
    const mallory = hostile.user('mallory');
    const refused = [
      bad.member(bob.userId, 'leave'),
      bad.member(bob.userId, 'ban'),
      bad.member(alice.userId, 'join'),
      bad.member(hostile.user('other'), 'join'),
      bad.event({ type: 'm.room.power_levels', state_key: '', content: { ...powerless, users: { ...powerless.users, [mallory]: 100 } } }),
      bad.event({ type: 'm.room.name', state_key: '', content: { name: 'taken over' } }),
      bad.event({ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'invite' } }),
      bad.event({ type: 'm.own', state_key: alice.userId }),
      bad.member(mallory, 'dance'),
      bad.member(mallory, 'join', { content: { membership: 7 } }),
      bad.event({ type: 'm.room.member', content: { membership: 'join' } }),
    ];
    const results = await hostile.send(a, refused.map(wire));
    for (const event of refused) {
      expect([event.pdu.type, event.pdu.content, results[event.eventId]]).toEqual([event.pdu.type, event.pdu.content, { error: expect.any(String) }]);
      expect(await statusOf(a, event)).toBe(EventStatus.rejected);
    }
    expect(Object.keys((await alice.request('GET', `${path(roomId)}/joined_members`)).joined).sort()).toEqual([alice.userId, bob.userId, mallory].sort());
  });

  it('cannot choose its auth events', async () => {
    const create = bad.state.get('m.room.create\0')!;
    const power = bad.state.get('m.room.power_levels\0')!;
    const self = bad.state.get(`m.room.member\0${bad.userId}`)!;
    const proper = bad.message('x').pdu.auth_events;
    const rejected = bad.event({ type: 'm.room.name', state_key: '', content: { name: 'mine' } });
    await hostile.send(a, [wire(rejected)]);
    const lists = {
      none: [],
      'without the sender': proper.filter((id) => id !== self),
      'one that does not belong': [...proper, bad.state.get('m.room.join_rules\0')!],
      'a member that does not belong': [...proper, bad.state.get(`m.room.member\0${bob.userId}`)!],
      'one twice': [...proper, power],
      'the create event twice': [...proper, create, create],
      'a message': [...proper, bad.latest[0]!],
      'one that was rejected': [...proper, rejected.eventId],
      'one that nobody has': [...proper, `$${'A'.repeat(43)}`],
    };
    for (const [name, auth_events] of Object.entries(lists)) {
      const event = bad.message(name, { auth_events });
      expect([name, await hostile.send(a, [wire(event)])]).toEqual([name, { [event.eventId]: { error: expect.any(String) } }]);
      expect([name, await isShown(alice, roomId, event)]).toEqual([name, false]);
    }
    // Auth events of another room.
    const other = await sharedRoom(version);
    const foreign = bad.message('of another room', { auth_events: other.bad.message('x').pdu.auth_events });
    expect(await hostile.send(a, [wire(foreign)])).toEqual({ [foreign.eventId]: { error: expect.any(String) } });
  });

  it('cannot break the graph', async () => {
    const before = (await tableCounts(a))['events']!;
    const base = wire(bad.message('base'));
    const malformed: Record<string, Json> = {
      'depth 2^53': { ...base, depth: 2 ** 53 },
      'depth below 0': { ...base, depth: -1 },
      'depth as text': { ...base, depth: '1' },
      '21 prev_events': { ...base, prev_events: Array.from({ length: 21 }, (_, i) => `$${String(i).padStart(43, 'p')}`) },
      'prev_events with other things': { ...base, prev_events: [['$x', {}]] },
      'prev_events of ids with NUL': { ...base, prev_events: ['$a\0b'] },
      'no auth_events': { ...base, auth_events: undefined },
      'content as list': { ...base, content: [] },
      'a float': { ...base, content: { a: 1.5 } },
      'a float outside of the content': { ...base, extra: 1.5 },
      'half a character': { ...base, content: { a: '\ud800' } },
      'no hashes': { ...base, hashes: {} },
      'type of 256 bytes': { ...base, type: 'x'.repeat(256) },
      'state key of 256 bytes': { ...base, state_key: 'x'.repeat(256) },
      'state key as number': { ...base, state_key: 1 },
      'sender without @': { ...base, sender: 'mallory' },
      'too large': { ...base, content: { a: 'x'.repeat(65_536) } },
      'a time as text': { ...base, origin_server_ts: 'now' },
      'a deep content': { ...base, content: JSON.parse(`{"a":${'['.repeat(1_500)}${']'.repeat(1_500)}}`) },
    };
    for (const [name, pdu] of Object.entries(malformed)) expect([name, await hostile.send(a, [pdu])]).toEqual([name, {}]);
    // What is no event of a room at all.
    expect(await hostile.send(a, [null, 1, 'x', [], {}, { room_id: 7 }, { room_id: '!nowhere:x', type: 'm.x' }])).toEqual({});
    expect((await tableCounts(a))['events']).toBe(before);
  });

  it('can send 20 prev_events, the deepest event, and odd names', async () => {
    const twenty = Array.from({ length: 19 }, (_, i) => bad.message(`branch ${i}`));
    await hostile.send(a, twenty.map(wire));
    const last = bad.message('branch 19');
    await hostile.send(a, [wire(last)]);
    const merge = bad.message('merge', { prev_events: [...twenty, last].map((event) => event.eventId) });
    expect(await hostile.send(a, [wire(merge)])).toEqual({ [merge.eventId]: {} });
    expect(await isShown(alice, roomId, merge)).toBe(true);
    bad.follow(merge);
    const odd = bad.event({ type: '__proto__', content: JSON.parse('{"__proto__":{"x":1},"constructor":1}') });
    expect(await hostile.send(a, [wire(odd)])).toEqual({ [odd.eventId]: {} });
    expect(await isShown(alice, roomId, odd)).toBe(true);
    bad.follow(odd);
    const deepest = bad.message('deepest', { depth: Number.MAX_SAFE_INTEGER });
    expect(await hostile.send(a, [wire(deepest)])).toEqual({ [deepest.eventId]: {} });
    // The next events of the good servers stand at the same depth.
    await expectGoodServersAgree(roomId);
  });

  it('cannot make an event refer to itself', async () => {
    // An id is a hash, so a real cycle cannot be made. What can be made are events that claim each other as missing.
    const orphan = bad.message('orphan', { prev_events: [`$${'B'.repeat(43)}`] });
    hostile.on(/get_missing_events/, () => ({ events: [wire(orphan), wire(orphan)] }));
    hostile.on(/state_ids/, () => ({ pdu_ids: [orphan.eventId], auth_chain_ids: [orphan.eventId] }));
    hostile.on(/\/event\//, () => ({ pdus: [wire(orphan)] }));
    hostile.on(/event_auth/, () => ({ auth_chain: [wire(orphan)] }));
    const results = await hostile.send(a, [wire(orphan)]);
    expect(results[orphan.eventId]).toEqual({ error: expect.any(String) });
    expect(await isShown(alice, roomId, orphan)).toBe(false);
    await expectGoodServersAgree(roomId);
  });

  it('cannot send events again as others, or those of unknown rooms', async () => {
    const stranger = HostileServer.start();
    const second = await stranger;
    try {
      const unknown = bad.message('x', { room_id: `!${'C'.repeat(43)}` });
      expect(await hostile.send(a, [wire(unknown)])).toEqual({});
      expect(await statusOf(a, unknown)).toBeUndefined();
      // A server that is not in the room may pass on what others signed, and nothing of its own.
      const own = buildEvent({ ...bad.message('stranger').pdu, sender: second.user('eve') }, bad.rules, { name: second.name, key: second.key });
      const results = await second.send(a, [wire(own)]);
      expect(results[own.eventId]).toEqual({ error: expect.any(String) });
      expect(await isShown(alice, roomId, own)).toBe(false);
    } finally {
      await second.stop();
    }
  });

  it('cannot read rooms that it is not in', async () => {
    const { room_id: secret } = await alice.request('POST', '/v3/createRoom', { room_version: version });
    const { event_id: eventId } = await alice.request('PUT', `${path(secret)}/send/m.room.message/1`, { body: 'secret', msgtype: 'm.text' });
    const [room, event] = [encodeURIComponent(secret), encodeURIComponent(eventId)];
    for (const [method, uri, body] of [
      ['GET', `/event/${event}`], ['GET', `/state/${room}?event_id=${event}`], ['GET', `/state_ids/${room}?event_id=${event}`],
      ['GET', `/backfill/${room}?v=${event}&limit=10`], ['GET', `/event_auth/${room}/${event}`],
      ['POST', `/get_missing_events/${room}`, { latest_events: [eventId], earliest_events: [] }],
      ['GET', `/make_join/${room}/${encodeURIComponent(hostile.user('mallory'))}?ver=${version}`],
      ['GET', `/make_leave/${room}/${encodeURIComponent(hostile.user('mallory'))}`],
    ] as const) {
      const answer = await hostile.raw(a, method, `/_matrix/federation/v1${uri}`, body);
      expect([uri, answer.status === 403 || answer.status === 404]).toEqual([uri, true]);
      expect(answer.bytes.toString()).not.toContain('secret');
    }
  });
});

describe.each(['10', '12'])('joining a room of version %s', (version) => {
  let roomId: string;
  let bad: HostileRoom;
  beforeAll(async () => {
    ({ roomId, bad } = await sharedRoom(version));
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
    expect((await state(alice, roomId, 'm.room.member', user)).membership).toBe('ban');
  });

  it('refuses servers that the room denies', async () => {
    const { roomId: closed, bad: denied } = await sharedRoom(version);
    const message = denied.message('before');
    await alice.request('PUT', `${path(closed)}/state/m.room.server_acl`, { allow: ['*'], deny: [hostile.name.split(':')[0]!, 'localhost'] });
    expect(await hostile.send(a, [wire(message)])).toEqual({ [message.eventId]: { error: expect.stringContaining('not allowed') } });
    for (const uri of [`make_join/${encodeURIComponent(closed)}/${encodeURIComponent(hostile.user('x'))}?ver=${version}`, `make_leave/${encodeURIComponent(closed)}/${encodeURIComponent(bad.userId)}`]) {
      await hostile.expectError(403, 'M_FORBIDDEN', a, 'GET', `/_matrix/federation/v1/${uri}`);
    }
    expect(await statusOf(a, message)).toBeUndefined();
  });
});

/** The room's forward extremities, as templates name them. */
async function latestOf(server: TestServer, roomId: string): Promise<string[]> {
  const template = await hostile.request(server, 'GET', `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(hostile.user('probe'))}?ver=10&ver=12`);
  return template.event.prev_events;
}

describe('invitations', () => {
  const rules = roomVersion('11')!;
  const roomId = () => `!hostile:${hostile.name}`;
  const invite = (changes: Json = {}, key = hostile.key) => buildEvent({
    type: 'm.room.member', room_id: roomId(), sender: hostile.user('mallory'), state_key: alice.userId, content: { membership: 'invite' },
    origin_server_ts: Date.now(), depth: 5, prev_events: [`$${'F'.repeat(43)}`], auth_events: [`$${'G'.repeat(43)}`], ...changes,
  }, rules, { name: hostile.name, key });
  const uri = (event: RoomEvent, room = event.roomId, id = event.eventId) => `/_matrix/federation/v2/invite/${encodeURIComponent(room)}/${encodeURIComponent(id)}`;
  const body = (event: RoomEvent, changes: Json = {}) => ({ event: wire(event), room_version: '11', invite_room_state: [], ...changes });
  const invitations = async () => Object.keys((await alice.request('GET', '/v3/sync')).rooms?.invite ?? {});

  it('are refused when they are not what they claim, and nothing is stored', async () => {
    const before = await tableCounts(a);
    const good = invite();
    const thirdParty = { membership: 'invite', third_party_invite: { signed: { mxid: alice.userId, token: 't', signatures: {} } } };
    const cases: [string, number, string, string, Json][] = [
      ['an unknown room version', 400, 'M_INCOMPATIBLE_ROOM_VERSION', uri(good), body(good, { room_version: '99' })],
      ['a room version that is no text', 400, 'M_BAD_JSON', uri(good), body(good, { room_version: 11 })],
      ['another event id', 400, 'M_INVALID_PARAM', uri(good, roomId(), `$${'H'.repeat(43)}`), body(good)],
      ['another room', 400, 'M_INVALID_PARAM', uri(good, '!other:x'), body(good)],
      ['no event', 400, 'M_BAD_JSON', uri(good), body(good, { event: 7 })],
      ['another key', 403, 'M_FORBIDDEN', uri(invite({}, otherKey)), body(invite({}, otherKey))],
      ['no signature', 403, 'M_FORBIDDEN', uri(good), body(good, { event: { ...wire(good), signatures: {} } })],
    ];
    for (const [name, changes, status, errcode] of [
      ['a user of another server', { state_key: bob.userId }, 404, 'M_NOT_FOUND'],
      ['nobody', { state_key: `@nobody:${a.name}` }, 404, 'M_NOT_FOUND'],
      ['a state key that is no user', { state_key: 'alice' }, 404, 'M_NOT_FOUND'],
      ['a sender of another server', { sender: bob.userId }, 403, 'M_FORBIDDEN'],
      ['a sender of this server', { sender: `@boss:${a.name}` }, 403, 'M_FORBIDDEN'],
      ['a join', { content: { membership: 'join' } }, 400, 'M_BAD_JSON'],
      ['another type', { type: 'm.room.name' }, 400, 'M_BAD_JSON'],
      ['no state key', { state_key: undefined }, 400, 'M_BAD_JSON'],
      ['the name of another and a third-party invite that proves nothing', { sender: bob.userId, content: thirdParty }, 403, 'M_FORBIDDEN'],
    ] as const) {
      const event = invite(changes);
      cases.push([name, status, errcode, uri(event), body(event)]);
    }
    for (const [name, status, errcode, address, content] of cases) {
      const answer = await hostile.raw(a, 'PUT', address, content);
      expect([name, answer.status, answer.body?.errcode]).toEqual([name, status, errcode]);
    }
    await hostile.expectError(400, 'M_INCOMPATIBLE_ROOM_VERSION', a, 'PUT', uri(good).replace('/v2/', '/v1/'), wire(good));
    expect(await invitations()).toEqual([]);
    const after = await tableCounts(a);
    expect({ ...after, server_keys: 0, server_key_responses: 0 }).toEqual({ ...before, server_keys: 0, server_key_responses: 0 });
  });

  it('show only sound state', async () => {
    const event = invite();
    const stripped = (content: unknown) => ({ type: 'm.room.name', state_key: '', sender: hostile.user('mallory'), content });
    const odd = [null, 1, 'x', [], {}, stripped(null), stripped([]), stripped('x'), stripped({ name: 'x'.repeat(100_000) }), stripped({ name: 'Sound' })];
    await hostile.request(a, 'PUT', uri(event), body(event, { invite_room_state: odd }));
    const { events } = (await alice.request('GET', '/v3/sync')).rooms.invite[roomId()].invite_state;
    expect(events.map(({ type, content }: Json) => [type, content])).toEqual([['m.room.name', { name: 'Sound' }], ['m.room.member', { membership: 'invite' }]]);
  });

  it('are taken back by who sent them, and not by others', async () => {
    const stranger = await HostileServer.start();
    try {
      const leave = (sender: string, by: HostileServer) => buildEvent({
        type: 'm.room.member', room_id: roomId(), sender, state_key: alice.userId, content: { membership: 'leave' }, origin_server_ts: Date.now(),
        depth: 6, prev_events: [`$${'F'.repeat(43)}`], auth_events: [`$${'G'.repeat(43)}`],
      }, rules, { name: by.name, key: by.key });
      const foreign = leave(stranger.user('eve'), stranger);
      expect((await stranger.send(a, [wire(foreign)]))[foreign.eventId]).toEqual({ error: expect.any(String) });
      const forged = leave(alice.userId, stranger);
      expect((await stranger.send(a, [wire(forged)]))[forged.eventId]).toEqual({ error: expect.any(String) });
      expect(await invitations()).toEqual([roomId()]);
      const proper = leave(hostile.user('mallory'), hostile);
      expect(await hostile.send(a, [wire(proper)])).toEqual({ [proper.eventId]: {} });
      expect(await invitations()).toEqual([]);
    } finally {
      await stranger.stop();
    }
  });
});

describe('what others do not have', () => {
  let roomId: string;
  let bad: HostileRoom;
  // Another one for each test: servers that fail are left alone for a while, so that nothing would be asked.
  let silent: HostileServer;
  beforeEach(async () => {
    silent = await HostileServer.start();
    ({ roomId, bad } = await sharedRoom('11', silent));
  });
  afterEach(() => silent.stop());
  const orphan = (i: number) => bad.message(`orphan ${i}`, { prev_events: [`$${String(i).padStart(43, 'o')}`] });

  const garbage: [string, Json][] = [
    ['garbage', 'nonsense'], ['no bytes', ''], ['a number', 7], ['lists of other things', { events: [1, null, {}], pdu_ids: [1, null], auth_chain_ids: {}, pdus: 'x', auth_chain: 7 }],
    ['other types', { events: {}, pdu_ids: 'x', auth_chain_ids: 1, pdus: 1, auth_chain: 1 }],
    ['deep lists', '['.repeat(100_000) + ']'.repeat(100_000)], ['bytes that are no text', Buffer.from([0xff, 0xfe, 0, 1])],
    ['an answer without end', ' '.repeat(20 * 1024 * 1024)],
    ['many ids', { pdu_ids: Array.from({ length: 50_000 }, (_, i) => `$${String(i).padStart(43, 'q')}`), auth_chain_ids: [] }],
  ];
  it.each(garbage)('is not stored when it is asked for and the answer is %s', async (_name, answer) => {
    silent.on(/get_missing_events|state_ids|\/state\/|\/event\/|event_auth|backfill/, () => answer);
    const events = [orphan(1), orphan(2)];
    const results = await silent.send(a, events.map(wire));
    for (const event of events) {
      expect(results[event.eventId]).toEqual({ error: expect.any(String) });
      expect(await isShown(alice, roomId, event)).toBe(false);
    }
    await expectGoodServersAgree(roomId);
  });

  it('does not hold up the good servers while the hostile one keeps them waiting', async () => {
    silent.on(/get_missing_events|state_ids|\/state\/|\/event\/|event_auth|backfill/, () => undefined);
    const flood = silent.send(a, Array.from({ length: 50 }, (_, i) => wire(orphan(i)))).catch(() => undefined);
    await eventually(() => silent.requests.some((request) => request.path.includes('get_missing_events') && request.path.includes(roomId)));
    await expectGoodServersAgree(roomId);
    silent.on(/get_missing_events|state_ids|\/state\/|\/event\/|event_auth|backfill/, () => 'over');
    silent.hangUp();
    await flood;
  });

  it('is stored once when two servers tell of it at the same time', async () => {
    const second = await HostileServer.start();
    try {
      const other = await HostileRoom.join(second, a, roomId);
      // Members of whom only these two know.
      const hidden = await Promise.all(['one', 'two', 'three'].map((name) => bad.madeJoin(a, silent.user(name))));
      const known = (await alice.request('GET', `${path(roomId)}/state`)).map((event: Json) => event.event_id);
      const told = { pdu_ids: [...known, ...hidden.map((event) => event.eventId)], auth_chain_ids: known };
      for (const server of [silent, second]) {
        server.on(/get_missing_events/, () => ({ events: [] }));
        server.on(/state_ids/, () => told);
        server.on(/\/event\//, (uri) => ({ pdus: hidden.filter((event) => uri.includes(event.eventId)).map(wire) }));
      }
      const events = [orphan(1), other.message('orphan 2', { prev_events: [`$${'2'.padStart(43, 'o')}`] })];
      const results = await Promise.all([silent.send(a, [wire(events[0]!)]), second.send(a, [wire(events[1]!)])]);
      expect(results).toEqual([{ [events[0]!.eventId]: {} }, { [events[1]!.eventId]: {} }]);
      for (const event of events) expect(await isShown(alice, roomId, event)).toBe(true);
      expect(Object.keys((await alice.request('GET', `${path(roomId)}/joined_members`)).joined)).toEqual(expect.arrayContaining(hidden.map((event) => event.pdu.sender)));
      expect(await a.get(Database).query(danglingEntries)).toEqual([{ count: 0 }]);
      await expectGoodServersAgree(roomId);
    } finally {
      await second.stop();
    }
  });

  it('takes a bounded number of questions', async () => {
    // Each answer leads further back, and never to an end.
    let step = 0;
    silent.on(/get_missing_events/, () => ({ events: [orphan(1_000 + ++step)] .map(wire) }));
    silent.on(/state_ids/, () => ({ pdu_ids: [], auth_chain_ids: [] }));
    const event = orphan(0);
    const asked = silent.requests.length;
    const results = await silent.send(a, [wire(event)]);
    expect(results[event.eventId]).toEqual({ error: expect.any(String) });
    expect(silent.requests.length - asked).toBeLessThan(100);
    await expectGoodServersAgree(roomId);
  });

  it('comes with at most as many events as were asked for', async () => {
    const many = Array.from({ length: 2_000 }, (_, i) => orphan(10_000 + i));
    silent.on(/get_missing_events/, () => ({ events: many.map(wire) }));
    silent.on(/state_ids/, () => ({ pdu_ids: [], auth_chain_ids: [] }));
    const before = (await tableCounts(a))['events']!;
    const event = orphan(0);
    await silent.send(a, [wire(event)]);
    expect((await tableCounts(a))['events']! - before).toBeLessThan(1_100);
    await expectGoodServersAgree(roomId);
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
