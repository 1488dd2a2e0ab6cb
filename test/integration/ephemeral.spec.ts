import { parseServerName } from '#federation';
import { Clock } from '../../apps/homeserver/src/observability/clock.js';
import { SyncNotifier } from '../../apps/homeserver/src/sync/notify/sync-notifier.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let carol: TestClient;
let roomId: string;

const room = (id: string) => `/v3/rooms/${encodeURIComponent(id)}`;
const sync = (client: TestClient, query: Record<string, string | number> = {}): Promise<Json> => client.request('GET', '/v3/sync', undefined, { query });
const say = async (client: TestClient, body: string, extra: object = {}): Promise<string> =>
  (await client.request('PUT', `${room(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text', ...extra })).event_id;
const type = (client: TestClient, typing: boolean, timeout = 30_000) =>
  client.request('PUT', `${room(roomId)}/typing/${encodeURIComponent(client.userId)}`, { typing, timeout });
const read = (client: TestClient, eventId: string, kind = 'm.read', body: object = {}) =>
  client.request('POST', `${room(roomId)}/receipt/${kind}/${encodeURIComponent(eventId)}`, body);
const ephemeral = (answer: Json, kind: string): Json =>
  answer.rooms?.join?.[roomId]?.ephemeral.events.find((event: Json) => event.type === kind)?.content;
const typingIn = (answer: Json): string[] | undefined => ephemeral(answer, 'm.typing')?.user_ids;

/** Alice and Bob on server a, Carol on server b, all in one room. */
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'], clock: new Clock() });
  [alice, bob, carol] = await Promise.all([net.client('a').register('alice'), net.client('a').register('bob'), net.client('b').register('carol')]);
  roomId = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', name: 'Club' })).room_id;
  await bob.request('POST', `${room(roomId)}/join`, {});
  await carol.request('POST', `/v3/join/${encodeURIComponent(roomId)}?via=${encodeURIComponent(net.server('a').name)}`, {});
});
afterAll(() => net.stop());

/** Syncs on until the answer satisfies; returns that answer. */
async function syncUntil(client: TestClient, since: string, isThere: (answer: Json) => boolean): Promise<Json> {
  for (let i = 0, token = since; i < 20; i++) {
    const answer = await sync(client, { since: token, timeout: 3_000 });
    if (isThere(answer)) return answer;
    token = answer.next_batch;
  }
  throw new Error('it did not come');
}

describe('typing', () => {
  it('wakes the members of the room, here and on other servers, when it starts and when it stops', async () => {
    const [here, there] = [(await sync(bob)).next_batch, (await sync(carol)).next_batch];
    const poll = sync(bob, { since: here, timeout: 30_000 });
    await eventually(() => net.server('a').get(SyncNotifier).waiting === 1);
    await type(alice, true);
    const started = await poll;
    expect(typingIn(started)).toEqual([alice.userId]);
    const remote = await syncUntil(carol, there, (answer) => typingIn(answer) !== undefined);
    expect(typingIn(remote)).toEqual([alice.userId]);
    expect(typingIn(await sync(bob))).toEqual([alice.userId]);
    await type(alice, false);
    expect(typingIn(await sync(bob, { since: started.next_batch }))).toEqual([]);
    expect(typingIn(await syncUntil(carol, remote.next_batch, (answer) => typingIn(answer) !== undefined))).toEqual([]);
    expect(typingIn(await sync(bob))).toEqual([]);
  });

  it('ends by itself', async () => {
    const { next_batch: since } = await sync(bob);
    // Waiting for it already, so that it is seen before it is over.
    const poll = sync(bob, { since, timeout: 30_000 });
    await eventually(() => net.server('a').get(SyncNotifier).waiting === 1);
    await type(alice, true, 1_500);
    const started = await poll;
    expect(typingIn(started)).toEqual([alice.userId]);
    await syncUntil(bob, started.next_batch, (answer) => typingIn(answer)?.length === 0);
  });

  it('ends when the user leaves', async () => {
    const emil = await net.client('a').register('emil');
    await emil.request('POST', `${room(roomId)}/join`, {});
    const { next_batch: since } = await sync(bob);
    await type(emil, true);
    const started = await syncUntil(bob, since, (answer) => typingIn(answer)?.length === 1);
    await emil.request('POST', `${room(roomId)}/leave`, {});
    await syncUntil(bob, started.next_batch, (answer) => typingIn(answer)?.length === 0);
  });

  it('is one\'s own affair, in one\'s own rooms', async () => {
    const path = `${room(roomId)}/typing/${encodeURIComponent(alice.userId)}`;
    await bob.expectError(403, 'M_FORBIDDEN', 'PUT', path, { typing: true });
    await alice.expectError(400, 'M_MISSING_PARAM', 'PUT', path, {});
    await alice.expectError(400, 'M_BAD_JSON', 'PUT', path, { typing: 'yes' });
    const dora = await net.client('a').register('dora');
    await dora.expectError(403, 'M_FORBIDDEN', 'PUT', `${room(roomId)}/typing/${encodeURIComponent(dora.userId)}`, { typing: true });
  });
});

it('of a server that the room denies count for nothing', async () => {
  const { room_id: denying } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
  await carol.request('POST', `/v3/join/${encodeURIComponent(denying)}?via=${encodeURIComponent(net.server('a').name)}`, {});
  await alice.request('PUT', `${room(denying)}/state/m.room.server_acl`, { allow: ['*'], deny: [parseServerName(carol.server.name)!.host] });
  const [eventId, { next_batch: since }] = [await say(alice, 'for both'), await sync(alice)];
  await eventually(async () => JSON.stringify(await sync(carol)).includes(eventId));
  for (const id of [denying, roomId]) {
    await carol.request('PUT', `${room(id)}/typing/${encodeURIComponent(carol.userId)}`, { typing: true, timeout: 30_000 });
    await carol.request('POST', `${room(id)}/receipt/m.read/${encodeURIComponent(eventId)}`, {});
  }
  // What was sent first was heard first.
  await syncUntil(alice, since, (answer) => ephemeral(answer, 'm.receipt')?.[eventId]);
  expect((await sync(alice)).rooms.join[denying].ephemeral.events).toEqual([]);
  await carol.request('PUT', `${room(roomId)}/typing/${encodeURIComponent(carol.userId)}`, { typing: false });
});

describe('receipts', () => {
  it('reach the members of the room, here and on other servers', async () => {
    const eventId = await say(alice, 'read me');
    const [here, there] = [(await sync(alice)).next_batch, (await sync(carol)).next_batch];
    await read(bob, eventId);
    const expected = { [eventId]: { 'm.read': { [bob.userId]: { ts: expect.any(Number) } } } };
    expect(ephemeral(await sync(alice, { since: here }), 'm.receipt')).toEqual(expected);
    expect(ephemeral(await syncUntil(carol, there, (answer) => ephemeral(answer, 'm.receipt') !== undefined), 'm.receipt')).toEqual(expected);
    expect(ephemeral(await sync(alice), 'm.receipt')[eventId]['m.read'][bob.userId]).toEqual({ ts: expect.any(Number) });
  });

  it('come from other servers', async () => {
    const { next_batch: since } = await sync(alice);
    const eventId = await say(alice, 'for carol');
    await eventually(async () => JSON.stringify(await sync(carol)).includes(eventId));
    await read(carol, eventId);
    const answer = await syncUntil(alice, since, (next) => ephemeral(next, 'm.receipt')?.[eventId]?.['m.read']?.[carol.userId]);
    expect(ephemeral(answer, 'm.receipt')[eventId]['m.read'][carol.userId].ts).toBeGreaterThan(0);
  });

  it('that are private stay with their user', async () => {
    const eventId = await say(alice, 'secretly read');
    const [mine, other] = [(await sync(bob)).next_batch, (await sync(alice)).next_batch];
    await read(bob, eventId, 'm.read.private');
    expect(ephemeral(await sync(bob, { since: mine }), 'm.receipt')[eventId]['m.read.private'][bob.userId]).toBeDefined();
    expect((await sync(alice, { since: other })).rooms).toBeUndefined();
    expect(JSON.stringify(ephemeral(await sync(alice), 'm.receipt') ?? {})).not.toContain('m.read.private');
  });

  it('do not go back', async () => {
    const [first, second] = [await say(alice, '1'), await say(alice, '2')];
    await read(bob, second);
    const { next_batch: since } = await sync(alice);
    await read(bob, first);
    expect((await sync(alice, { since })).rooms).toBeUndefined();
  });

  it('of a thread stand beside the unthreaded one', async () => {
    const root = await say(alice, 'root');
    const reply = await say(alice, 'reply', { 'm.relates_to': { rel_type: 'm.thread', event_id: root } });
    const { next_batch: since } = await sync(bob);
    await read(bob, reply, 'm.read', { thread_id: root });
    await read(bob, root, 'm.read', { thread_id: 'main' });
    const content = ephemeral(await sync(bob, { since }), 'm.receipt');
    expect(content[reply]['m.read'][bob.userId].thread_id).toBe(root);
    expect(content[root]['m.read'][bob.userId].thread_id).toBe('main');
    await read(bob, reply);
    expect(ephemeral(await sync(bob, { since }), 'm.receipt')[reply]['m.read'][bob.userId].thread_id).toBeUndefined();
  });

  it('are refused with wrong threads, types and rooms', async () => {
    const [eventId, other] = [await say(alice, 'x'), await say(alice, 'y')];
    const path = (kind: string) => `${room(roomId)}/receipt/${kind}/${encodeURIComponent(eventId)}`;
    for (const thread of ['', 7, 'elsewhere', other]) {
      await bob.expectError(400, 'M_INVALID_PARAM', 'POST', path('m.read'), { thread_id: thread });
    }
    await bob.expectError(400, 'M_INVALID_PARAM', 'POST', path('m.fully_read'), { thread_id: 'main' });
    await bob.expectError(400, 'M_INVALID_PARAM', 'POST', path('m.unread'), {});
    const dora = await net.client('a').register('doris');
    await dora.expectError(403, 'M_FORBIDDEN', 'POST', path('m.read'), {});
  });
});

describe('read markers', () => {
  it('set the marker and the receipts at once', async () => {
    const eventId = await say(alice, 'mark');
    const { next_batch: since } = await sync(bob);
    await bob.request('POST', `${room(roomId)}/read_markers`, { 'm.fully_read': eventId, 'm.read': eventId, 'm.read.private': eventId });
    const answer = await sync(bob, { since });
    expect(answer.rooms.join[roomId].account_data.events).toEqual([{ type: 'm.fully_read', content: { event_id: eventId } }]);
    expect(Object.keys(ephemeral(answer, 'm.receipt')[eventId]).sort()).toEqual(['m.read', 'm.read.private']);
    await bob.expectError(400, 'M_BAD_JSON', 'POST', `${room(roomId)}/read_markers`, { 'm.read': 'no event id' });
  });
});

describe('filters', () => {
  const define = async (client: TestClient, value: object) =>
    (await client.request('POST', `/v3/user/${encodeURIComponent(client.userId)}/filter`, value)).filter_id;

  it('are kept under the same id and used by it', async () => {
    const value = { room: { timeline: { limit: 1, types: ['m.room.mess*'] }, state: { types: [] }, ephemeral: { not_types: ['*'] } } };
    const id = await define(bob, value);
    expect(await define(bob, { room: { ...value.room } })).toBe(id);
    expect(await bob.request('GET', `/v3/user/${encodeURIComponent(bob.userId)}/filter/${id}`)).toEqual(value);
    await say(alice, 'shown');
    const joined = (await sync(bob, { filter: id })).rooms.join[roomId];
    expect(joined.timeline.events.map((event: Json) => event.content.body)).toEqual(['shown']);
    expect(joined.timeline.limited).toBe(true);
    expect(joined.state.events).toEqual([]);
    expect(joined.ephemeral.events).toEqual([]);
  });

  it('choose rooms, senders, urls, fields and the format', async () => {
    const use = async (value: object) => (await sync(bob, { filter: JSON.stringify(value) })).rooms?.join?.[roomId];
    expect(await use({ room: { not_rooms: [roomId] } })).toBeUndefined();
    expect(await use({ room: { rooms: [] } })).toBeUndefined();
    await say(bob, 'with url', { url: 'mxc://x/y' });
    await say(alice, 'from alice');
    const texts = (section: Json) => section.timeline.events.map((event: Json) => event.content.body);
    expect(texts(await use({ room: { timeline: { limit: 1, senders: [bob.userId], types: ['m.room.message'] } } }))).toEqual(['with url']);
    expect(texts(await use({ room: { timeline: { limit: 1, not_senders: [alice.userId] } } }))).toEqual(['with url']);
    expect(texts(await use({ room: { timeline: { contains_url: true } } }))).toEqual(['with url']);
    expect(texts(await use({ room: { timeline: { contains_url: false, limit: 1 } } }))).toEqual(['from alice']);
    const picked = (await use({ event_fields: ['content.body'], room: { timeline: { limit: 1 } } })).timeline.events[0];
    expect(picked.content).toEqual({ body: 'from alice' });
    expect(picked.unsigned).toBeUndefined();
    const raw = (await use({ event_format: 'federation', room: { timeline: { limit: 1 } } })).timeline.events[0];
    expect(raw).toMatchObject({ room_id: roomId, event_id: expect.any(String), prev_events: expect.any(Array), hashes: expect.any(Object) });
  });

  it('are refused with wrong shapes, for others, and when unknown', async () => {
    const path = `/v3/user/${encodeURIComponent(bob.userId)}/filter`;
    for (const bad of [{ room: [] }, { presence: 'x' }, { room: { timeline: { types: 'm.room' } } }, { room: { rooms: ['no room'] } }, { room: { timeline: { senders: ['x'] } } }]) {
      await bob.expectError(400, 'M_BAD_JSON', 'POST', path, bad);
    }
    await alice.expectError(403, 'M_FORBIDDEN', 'POST', path, {});
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', `${path}/none`);
  });
});

describe('ignored users', () => {
  it('are not heard, and their invitations are not shown', async () => {
    await say(alice, 'noise');
    const invite = (await alice.request('POST', '/v3/createRoom', { invite: [bob.userId] })).room_id;
    expect((await sync(bob)).rooms.invite[invite]).toBeDefined();
    const list = `/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.ignored_user_list`;
    await bob.request('PUT', list, { ignored_users: { [alice.userId]: {} } });
    const { rooms } = await sync(bob);
    expect(rooms.invite?.[invite]).toBeUndefined();
    expect(rooms.join[roomId].timeline.events.some((event: Json) => event.sender === alice.userId && event.type === 'm.room.message')).toBe(false);
    const everything = [...rooms.join[roomId].timeline.events, ...rooms.join[roomId].state.events];
    expect(everything.some((event: Json) => event.type === 'm.room.create')).toBe(true);
    await bob.request('PUT', list, { ignored_users: {} });
    expect((await sync(bob)).rooms.invite[invite]).toBeDefined();
  });
});
