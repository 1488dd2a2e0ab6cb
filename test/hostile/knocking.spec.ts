import { buildEvent, roomVersion, type EventDraft, type RoomEvent } from '../../libs/federation/src/index.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';
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

const signer = (by: HostileServer) => ({ name: by.name, key: by.key });
const uri = (what: string, ...parts: string[]) => `/_matrix/federation/v1/${what}/${parts.map(encodeURIComponent).join('/')}`;

describe.each(['10', '12'])('knocking at a room of version %s', (version) => {
  const rules = roomVersion(version)!;
  let roomId: string;
  let closed: string;
  beforeAll(async () => {
    const create = async (rule: string): Promise<string> => (await alice.request('POST', '/v3/createRoom', {
      room_version: version, preset: 'private_chat', initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: rule } }],
    })).room_id;
    [roomId, closed] = [await create('knock'), await create('invite')];
  });
  const template = async (user: string): Promise<Json> => (await hostile.request(a, 'GET', `${uri('make_knock', roomId, user)}?ver=${version}`)).event;
  const knock = async (changes: Json = {}, user = hostile.user('new')): Promise<RoomEvent> =>
    buildEvent({ ...((await template(user)) as EventDraft), origin_server_ts: Date.now(), ...changes }, rules, signer(hostile));

  it('is answered with a template for users of the server that asks, of rooms with a door', async () => {
    const user = hostile.user('new');
    expect(await template(user)).toMatchObject({ type: 'm.room.member', room_id: roomId, sender: user, state_key: user, content: { membership: 'knock' } });
    for (const query of ['?ver=1', '?ver=']) {
      expect((await hostile.expectError(400, 'M_INCOMPATIBLE_ROOM_VERSION', a, 'GET', uri('make_knock', roomId, user) + query)).room_version).toBe(version);
    }
    for (const [address, status, errcode] of [
      [uri('make_knock', roomId, bob.userId), 403, 'M_FORBIDDEN'], [uri('make_knock', roomId, 'nobody'), 400, 'M_INVALID_PARAM'],
      [uri('make_knock', closed, user), 403, 'M_FORBIDDEN'], [uri('make_knock', `!none:${a.name}`, user), 404, 'M_NOT_FOUND'],
    ] as const) await hostile.expectError(status, errcode, a, 'GET', `${address}?ver=${version}`);
    expect((await hostile.raw(a, 'GET', uri('make_knock', roomId, user))).status).toBe(400);
  });

  it('is refused where it is not what it claims', async () => {
    const good = await knock();
    const send = (event: RoomEvent, changes: { id?: string; body?: Json; room?: string } = {}) =>
      [uri('send_knock', changes.room ?? roomId, changes.id ?? event.eventId), changes.body ?? wire(event)] as const;
    const bad: [string, number, readonly [string, Json]][] = [
      ['another event id', 400, send(good, { id: `$${'D'.repeat(43)}` })],
      ['another room', 400, send(good, { room: closed })],
      ['a room that is not here', 404, send(good, { room: `!none:${a.name}` })],
      ['no signature', 403, send(good, { body: { ...wire(good), signatures: {} } })],
      ['a join', 400, send(await knock({ content: { membership: 'join' } }))],
      ['a leave', 400, send(await knock({ content: { membership: 'leave' } }))],
      ['a message', 400, send(await knock({ type: 'm.room.message', state_key: undefined }))],
      ['a knock of somebody else', 400, send(await knock({ sender: hostile.user('other') }))],
      ['a user of another server', 403, send(await knock({ sender: bob.userId, state_key: bob.userId }))],
      ['no auth events', 403, send(await knock({ auth_events: [] }))],
      ['nothing', 400, send(good, { body: {} })],
    ];
    for (const [name, status, [address, body]] of bad) expect([name, (await hostile.raw(a, 'PUT', address, body)).status]).toEqual([name, status]);
    expect((await alice.request('GET', `${path(roomId)}/members`)).chunk).toHaveLength(1);
    const { knock_room_state: state } = await hostile.request(a, 'PUT', ...send(good));
    // Whole events, that can be checked.
    expect(state.find((event: Json) => event.type === 'm.room.create').signatures[a.name]).toBeDefined();
    expect((await world.state(alice, roomId, 'm.room.member', hostile.user('new'))).membership).toBe('knock');
  });

  it('is refused to those who are banned, and to servers that the room denies', async () => {
    const user = hostile.user('banned');
    const event = await knock({}, user);
    await alice.request('POST', `${path(roomId)}/ban`, { user_id: user });
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'PUT', uri('send_knock', roomId, event.eventId), wire(event));
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'GET', `${uri('make_knock', roomId, user)}?ver=${version}`);
    const late = await knock({}, hostile.user('late'));
    await alice.request('PUT', `${path(roomId)}/state/m.room.server_acl`, { allow: ['*'], deny: [hostile.name.split(':')[0]!, 'localhost'] });
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'GET', `${uri('make_knock', roomId, hostile.user('late'))}?ver=${version}`);
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'PUT', uri('send_knock', roomId, late.eventId), wire(late));
  });
});

describe('a hostile server that takes a knock', () => {
  const rules = roomVersion('10')!;
  const roomId = () => `!door:${hostile.name}`;
  const template = (changes: Json = {}): Json => ({
    room_version: '10',
    event: {
      type: 'm.room.member', room_id: roomId(), sender: alice.userId, state_key: alice.userId, content: { membership: 'knock' }, depth: 5,
      prev_events: [`$${'F'.repeat(43)}`], auth_events: [`$${'G'.repeat(43)}`], ...changes,
    },
  });
  const attempt = () => alice.raw('POST', `/v3/knock/${encodeURIComponent(roomId())}`, { reason: 'hello' }, { query: { via: hostile.name } });
  const knocks = async (): Promise<Json> => (await alice.request('GET', '/v3/sync')).rooms?.knock ?? {};
  const offer = (made: Json, answer: Json = { knock_room_state: [] }): RoomEvent[] => {
    const taken: RoomEvent[] = [];
    hostile.on(/make_knock/, () => made);
    hostile.on(/send_knock/, (address, body) => {
      taken.push({ eventId: decodeURIComponent(address.split('/').at(-1)!), json: JSON.stringify(body) } as RoomEvent);
      return answer;
    });
    return taken;
  };

  it('gets nothing signed that was not asked for', async () => {
    const before = await tableCounts(a);
    for (const made of [
      template({ content: { membership: 'join' } }), template({ sender: bob.userId }), template({ state_key: bob.userId }), template({ room_id: '!other:x' }),
      template({ type: 'm.room.name' }), template({ content: null }), { ...template(), room_version: '99' }, { ...template(), room_version: '6' }, { room_version: '10' },
      template({ prev_events: ['x'] }), template({ depth: 1.5 }), [], 'nonsense',
    ]) {
      const taken = offer(made);
      const { status, body } = await attempt();
      expect([made, status >= 400 && status !== 500, typeof body?.errcode, taken.length]).toEqual([made, true, 'string', 0]);
    }
    expect(await knocks()).toEqual({});
    const after = await tableCounts(a);
    for (const table of ['rooms', 'events', 'local_memberships']) expect([table, after[table]]).toEqual([table, before[table]]);
  });

  it('is shown with sound state only, and puts nothing into the knock', async () => {
    const stripped = (content: unknown) => ({ type: 'm.room.name', state_key: '', sender: hostile.user('mallory'), content });
    const taken = offer(template({ content: { membership: 'knock', join_authorised_via_users_server: bob.userId, reason: 'of theirs' } }), {
      knock_room_state: [null, 1, 'x', [], {}, stripped(null), stripped({ name: 'x'.repeat(100_000) }), stripped({ name: 'Sound' })],
    });
    expect((await attempt()).status).toBe(200);
    expect(JSON.parse(taken[0]!.json).content).toEqual({ membership: 'knock', reason: 'hello' });
    const { events } = (await knocks())[roomId()].knock_state;
    expect(events.map(({ type, content }: Json) => [type, content])).toEqual([['m.room.name', { name: 'Sound' }], ['m.room.member', { membership: 'knock', reason: 'hello' }]]);
  });

  it('is one of few who can say that it has ended: who does not know the knock cannot', async () => {
    const [taken] = [offer(template())];
    expect((await attempt()).status).toBe(200);
    const knock = taken[0]!.eventId;
    const stranger = await HostileServer.start();
    try {
      const leave = (sender: string, by: HostileServer, cited: string[], membership = 'leave') => buildEvent({
        type: 'm.room.member', room_id: roomId(), sender, state_key: alice.userId, content: { membership }, origin_server_ts: Date.now(), depth: 9,
        prev_events: [`$${'F'.repeat(43)}`], auth_events: cited,
      }, rules, signer(by));
      const refused = async (by: HostileServer, event: RoomEvent): Promise<void> => {
        expect((await by.send(a, [wire(event)]))[event.eventId]).toEqual({ error: expect.any(String) });
      };
      await refused(stranger, leave(stranger.user('eve'), stranger, [`$${'G'.repeat(43)}`]));
      await refused(stranger, leave(stranger.user('eve'), stranger, []));
      await refused(stranger, leave(alice.userId, stranger, [knock]));
      await refused(stranger, leave(hostile.user('mallory'), stranger, [knock]));
      expect(Object.keys(await knocks())).toEqual([roomId()]);
      const proper = leave(hostile.user('mallory'), hostile, [`$${'G'.repeat(43)}`, knock], 'ban');
      expect(await hostile.send(a, [wire(proper)])).toEqual({ [proper.eventId]: {} });
      expect(await knocks()).toEqual({});
    } finally {
      await stranger.stop();
    }
  });
});
