import { buildEvent, roomVersion, signingKeyFromSeed, type RoomEvent } from '../../libs/federation/src/index.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld } from './hostile-world.js';
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

const otherKey = signingKeyFromSeed('ed25519:bad', new Uint8Array(32).fill(7));

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
    const forged = invite({}, otherKey);
    const thirdParty = { membership: 'invite', third_party_invite: { signed: { mxid: alice.userId, token: 't', signatures: {} } } };
    const cases: [string, number, string, string, Json][] = [
      ['an unknown room version', 400, 'M_INCOMPATIBLE_ROOM_VERSION', uri(good), body(good, { room_version: '99' })],
      ['a room version that is no text', 400, 'M_BAD_JSON', uri(good), body(good, { room_version: 11 })],
      ['another event id', 400, 'M_INVALID_PARAM', uri(good, roomId(), `$${'H'.repeat(43)}`), body(good)],
      ['another room', 400, 'M_INVALID_PARAM', uri(good, '!other:x'), body(good)],
      ['no event', 400, 'M_BAD_JSON', uri(good), body(good, { event: 7 })],
      ['another key', 403, 'M_FORBIDDEN', uri(forged), body(forged)],
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
    // The first version of the endpoint is for rooms of versions 1 and 2, whose events carry their ids.
    await hostile.expectError(400, 'M_BAD_JSON', a, 'PUT', uri(good).replace('/v2/', '/v1/'), wire(good));
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
