import type { RoomEvent } from '../../libs/federation/src/index.js';
import { EventStatus } from '../../apps/homeserver/src/rooms/timeline/stored-event.js';
import { eventually } from '../network/eventually.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import type { HostileRoom } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';

let world: HostileWorld;
let hostile: HostileServer;
let a: TestServer;
let alice: TestClient;
let carol: TestClient;

beforeAll(async () => {
  world = await HostileWorld.start();
  ({ hostile, a, alice } = world);
  carol = await world.net.client('a').register('carol');
});
afterAll(() => world?.stop());

const createRoom = async (by: TestClient, body: Json = {}): Promise<string> =>
  (await by.request('POST', '/v3/createRoom', { preset: 'public_chat', ...body })).room_id;
const send = async (by: TestClient, roomId: string, body: string): Promise<string> =>
  (await by.request('PUT', `${path(roomId)}/send/m.room.message/${by.nextTxn()}`, { body, msgtype: 'm.text' })).event_id;
const stateIdOf = async (by: TestClient, roomId: string, type: string): Promise<string> =>
  (await by.request('GET', `${path(roomId)}/state`)).find((event: Json) => event.type === type).event_id;
const contentOf = async (by: TestClient, roomId: string, eventId: string): Promise<Json> =>
  (await by.request('GET', `${path(roomId)}/event/${encodeURIComponent(eventId)}`)).content;
const redact = (by: TestClient, roomId: string, eventId: string) => by.raw('PUT', `${path(roomId)}/redact/${encodeURIComponent(eventId)}/${by.nextTxn()}`, {});

describe('an id of another room', () => {
  const encryption = { algorithm: 'm.megolm.v1.aes-sha2' };
  let secret: string;
  let own: string;
  beforeAll(async () => {
    secret = await createRoom(alice, { initial_state: [{ type: 'm.room.encryption', state_key: '', content: encryption }] });
    own = await createRoom(carol);
    await carol.request('POST', `${path(secret)}/join`, {});
  });

  it('is not redacted by who may redact elsewhere', async () => {
    const ids = [await send(alice, secret, 'to stay'), await stateIdOf(alice, secret, 'm.room.encryption')];
    for (const eventId of ids) {
      const before = await contentOf(alice, secret, eventId);
      expect([(await redact(carol, own, eventId)).status, await contentOf(alice, secret, eventId)]).toEqual([404, before]);
      const sent = await carol.raw('PUT', `${path(own)}/send/m.room.redaction/${carol.nextTxn()}`, { redacts: eventId });
      expect([sent.status, await contentOf(alice, secret, eventId)]).toEqual([404, before]);
    }
    await a.restart();
    expect(await world.state(alice, secret, 'm.room.encryption')).toEqual(encryption);
    expect(await contentOf(alice, secret, ids[0]!)).toMatchObject({ body: 'to stay' });
  });

  it('is not redacted by an event that was received in another room either', async () => {
    const eventId = await send(alice, secret, 'to stay');
    const { bad } = await world.sharedRoom('10');
    const redaction = bad.event({ type: 'm.room.redaction', redacts: eventId });
    await hostile.send(a, [wire(redaction)]);
    expect(await contentOf(alice, secret, eventId)).toMatchObject({ body: 'to stay' });
    expect(await world.isShown(bad.roomId, redaction)).toBe(false);
  });

  it('is not shown, nor what is around it', async () => {
    const eventId = await send(alice, secret, 'hidden');
    for (const what of ['event', 'context']) await carol.expectError(404, 'M_NOT_FOUND', 'GET', `${path(own)}/${what}/${encodeURIComponent(eventId)}`);
  });
});

describe.each(['10', '11'])('what events of another room are named for, in version %s', (version) => {
  let bad: HostileRoom;
  let other: HostileRoom;
  beforeAll(async () => {
    ({ bad } = await world.sharedRoom(version));
    ({ bad: other } = await world.sharedRoom(version));
  });
  const isKept = async (event: RoomEvent) => [EventStatus.accepted, EventStatus.softFailed].includes((await world.statusOf(event)) as 0);

  it('does not come true: auth events', async () => {
    const borrowed = ['m.room.create\0', 'm.room.power_levels\0', `m.room.member\0${bad.userId}`].map((key) => other.state.get(key)!);
    hostile.on(/event_auth/, () => ({ auth_chain: [] }));
    const event = bad.message('borrowed', { auth_events: borrowed });
    expect((await hostile.send(a, [wire(event)]))[event.eventId]).toEqual({ error: expect.any(String) });
    expect(await isKept(event)).toBe(false);
  });

  it('does not come true: previous events, and the state that is told', async () => {
    const { event_id: hidden } = await alice.request('PUT', `${path(other.roomId)}/state/m.hidden/x`, { secret: true });
    const told = { pdu_ids: [...bad.state.values(), hidden], auth_chain_ids: [] };
    hostile.on(/get_missing_events/, () => ({ events: [] }));
    hostile.on(/state_ids/, () => told);
    hostile.on(/\/event\//, () => ({ pdus: [] }));
    const event = bad.message('behind another room', { prev_events: [hidden] });
    await hostile.send(a, [wire(event)]);
    const next = bad.message('behind that', { prev_events: [event.eventId] });
    await hostile.send(a, [wire(next)]);
    const state: Json[] = await alice.request('GET', `${path(bad.roomId)}/state`);
    expect(state.map((item) => item.event_id)).not.toContain(hidden);
    for (const one of [event, next]) {
      const { status, body } = await hostile.raw(a, 'GET', `/_matrix/federation/v1/state_ids/${encodeURIComponent(bad.roomId)}?event_id=${encodeURIComponent(one.eventId)}`);
      if (status === 200) expect(body.pdu_ids).not.toContain(hidden);
    }
  });

  it('does not come true: history behind what is named', async () => {
    const hidden = other.follow(other.message('of the other room'));
    const [lost, given, last] = ['lost', 'given', 'last'].map((body) => bad.follow(bad.message(body, body === 'lost' ? { prev_events: [hidden.eventId] } : {})));
    hostile.on(/get_missing_events/, () => ({ events: [wire(given!)] }));
    hostile.on(/state_ids/, () => ({ pdu_ids: [...bad.state.values()], auth_chain_ids: [] }));
    hostile.on(/\/event\//, () => ({ pdus: [] }));
    hostile.on(/backfill/, () => ({ pdus: [wire(lost!)] }));
    await hostile.send(a, [wire(last!)]);
    await hostile.send(a, [wire(hidden)]);
    // What the gap hides is no reason to hide the room's beginning; a page ends only while the missing events are on their way.
    const chunk = await eventually(async () => {
      const page = await alice.request('GET', `${path(bad.roomId)}/messages`, undefined, { query: { dir: 'b', limit: 100 } });
      return page.chunk.at(-1).type === 'm.room.create' ? page.chunk : undefined;
    });
    const shown: string[] = chunk.map((event: Json) => event.event_id);
    expect(shown.slice(0, 3)).toEqual([last!, given!, lost!].map((event) => event.eventId));
    expect(shown).not.toContain(hidden.eventId);
  });

  it('is not given to other servers', async () => {
    const eventId = other.latest[0]!;
    const room = encodeURIComponent(bad.roomId);
    const id = encodeURIComponent(eventId);
    for (const uri of [`state/${room}?event_id=${id}`, `state_ids/${room}?event_id=${id}`, `event_auth/${room}/${id}`]) {
      await hostile.expectError(404, 'M_NOT_FOUND', a, 'GET', `/_matrix/federation/v1/${uri}`);
    }
    expect((await hostile.request(a, 'GET', `/_matrix/federation/v1/backfill/${room}?v=${id}&limit=10`)).pdus).toEqual([]);
    const missing = await hostile.request(a, 'POST', `/_matrix/federation/v1/get_missing_events/${room}`, { latest_events: [eventId], earliest_events: [] });
    expect(missing.events).toEqual([]);
  });
});

describe.each(['6', '10', '11', '12'])('the create event of a room of version %s', (version) => {
  it('cannot be redacted by its creator', async () => {
    const roomId = await createRoom(alice, { room_version: version });
    const eventId = await stateIdOf(alice, roomId, 'm.room.create');
    const before = await contentOf(alice, roomId, eventId);
    expect((await redact(alice, roomId, eventId)).status).toBe(403);
    await a.restart();
    expect([await contentOf(alice, roomId, eventId), await world.state(alice, roomId, 'm.room.create')]).toEqual([before, before]);
  });

  it('is not redacted in effect by what other servers send', async () => {
    const { roomId, bad } = await world.sharedRoom(version);
    const levels = await world.state(alice, roomId, 'm.room.power_levels');
    await alice.request('PUT', `${path(roomId)}/state/m.room.power_levels`, { ...levels, users: { ...levels.users, [bad.userId]: 60 } });
    const power = (await hostile.request(a, 'GET', `/_matrix/federation/v1/make_leave/${encodeURIComponent(roomId)}/${encodeURIComponent(bad.userId)}`)).event;
    const create = await stateIdOf(alice, roomId, 'm.room.create');
    const before = await contentOf(alice, roomId, create);
    bad.state.set('m.room.power_levels\0', await stateIdOf(alice, roomId, 'm.room.power_levels'));
    const named = version === '11' || version === '12' ? { content: { redacts: create } } : { redacts: create };
    const redaction = bad.event({ type: 'm.room.redaction', ...named, prev_events: power.prev_events, depth: power.depth });
    await hostile.send(a, [wire(redaction)]);
    expect(await world.statusOf(redaction)).not.toBe(EventStatus.rejected);
    await a.restart();
    expect([await contentOf(alice, roomId, create), await world.state(alice, roomId, 'm.room.create')]).toEqual([before, before]);
  });
});
