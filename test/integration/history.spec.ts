import { Database } from '../../apps/homeserver/src/storage/database.js';
import { Network } from '../network/network.js';
import { allPages, roomPath, shownAs } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let carol: TestClient;

beforeAll(async () => {
  net = await Network.start();
  [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((name) => net.client('a').register(name))) as [TestClient, TestClient, TestClient];
});
afterAll(() => net.stop());

const createRoom = async (body: object = {}): Promise<string> => (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', ...body })).room_id;
const send = async (client: TestClient, roomId: string, body: string, content: object = {}): Promise<string> =>
  (await client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', body, ...content })).event_id;
const messages = (client: TestClient, roomId: string, query: Json) => client.request('GET', `${roomPath(roomId)}/messages`, undefined, { query });
const join = (client: TestClient, roomId: string) => client.request('POST', `${roomPath(roomId)}/join`, {});
const setVisibility = (roomId: string, value: string) =>
  alice.request('PUT', `${roomPath(roomId)}/state/m.room.history_visibility`, { history_visibility: value });
const bodies = (events: readonly Json[]) => shownAs(events.filter((event) => event.type === 'm.room.message'));
const range = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}`);
async function sendAll(roomId: string, texts: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const text of texts) ids.push(await send(alice, roomId, text));
  return ids;
}

describe('paging', () => {
  it.each([1, 4, 10, 1_000])('shows everything once and in order, %s at a time, in both directions', async (limit) => {
    const roomId = await createRoom();
    await sendAll(roomId, range(12));
    const back = await allPages(alice, roomId, { dir: 'b', limit });
    const forward = await allPages(alice, roomId, { dir: 'f', limit });
    expect(back.events.at(-1).type).toBe('m.room.create');
    expect(bodies(forward.events)).toEqual(range(12));
    expect(forward.events.map((event) => event.event_id)).toEqual(back.events.map((event) => event.event_id).reverse());
    expect(new Set(back.events.map((event) => event.event_id)).size).toBe(back.events.length);
    for (const page of back.pages) expect(page.chunk.length).toBeLessThanOrEqual(limit);
  });

  it('goes on where a sync began, and stops at `to`', async () => {
    const roomId = await createRoom();
    await sendAll(roomId, range(30));
    const sync = await alice.request('GET', '/v3/sync', undefined, { query: { filter: JSON.stringify({ room: { timeline: { limit: 5 } } }) } });
    const { timeline } = sync.rooms.join[roomId];
    expect(bodies(timeline.events)).toEqual(range(30).slice(25));
    const page = await messages(alice, roomId, { dir: 'b', from: timeline.prev_batch, limit: 3 });
    expect(bodies(page.chunk)).toEqual(['25', '24', '23']);
    expect(page.start).toBe(timeline.prev_batch);
    await sendAll(roomId, ['31', '32']);
    expect(bodies((await messages(alice, roomId, { dir: 'f', from: sync.next_batch })).chunk)).toEqual(['31', '32']);
    expect(bodies((await messages(alice, roomId, { dir: 'b', to: sync.next_batch, limit: 100 })).chunk)).toEqual(['32', '31']);
    expect(bodies((await messages(alice, roomId, { dir: 'f', from: page.end, to: timeline.prev_batch, limit: 100 })).chunk)).toEqual(['23', '24', '25']);
  });

  it('gives each event its room, age and transaction, and state events what they replaced', async () => {
    const roomId = await createRoom({ name: 'Old' });
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.name`, { name: 'New' });
    await alice.request('PUT', `${roomPath(roomId)}/send/m.room.message/mine`, { msgtype: 'm.text', body: 'x' });
    const { chunk: [message, name] } = await messages(alice, roomId, { dir: 'b', limit: 2 });
    expect(message).toMatchObject({ room_id: roomId, sender: alice.userId, unsigned: { transaction_id: 'mine', membership: 'join', age: expect.any(Number) } });
    expect(name).toMatchObject({ content: { name: 'New' }, state_key: '', unsigned: { prev_content: { name: 'Old' }, replaces_state: expect.stringMatching(/^\$/) } });
    await join(bob, roomId);
    const ofBob = (await messages(bob, roomId, { dir: 'b', limit: 2 })).chunk[1];
    expect(ofBob.event_id).toBe(message.event_id);
    expect(ofBob.unsigned.transaction_id).toBeUndefined();
    expect(ofBob.unsigned.membership).toBe('leave');
  });

  it('shows redacted events without their content, and why', async () => {
    const roomId = await createRoom();
    const eventId = await send(alice, roomId, 'secret');
    expect((await messages(alice, roomId, { dir: 'b', limit: 1 })).chunk[0].content.body).toBe('secret');
    await alice.request('PUT', `${roomPath(roomId)}/redact/${encodeURIComponent(eventId)}/1`, { reason: 'slip' });
    const redacted = (await messages(alice, roomId, { dir: 'b', limit: 2 })).chunk[1];
    expect(redacted).toMatchObject({ event_id: eventId, content: {}, unsigned: { redacted_because: { content: { reason: 'slip' }, sender: alice.userId } } });
  });

  it('takes a number of queries that does not grow with the page', async () => {
    const roomId = await createRoom();
    await sendAll(roomId, range(60));
    const { counters } = net.server('a').get(Database);
    const cost = async (limit: number): Promise<number> => {
      const before = counters.statements;
      await messages(alice, roomId, { dir: 'b', limit });
      return counters.statements - before;
    };
    await cost(60);
    const [small, large] = [await cost(2), await cost(60)];
    expect(large).toBeLessThanOrEqual(small);
    expect(large).toBeLessThanOrEqual(4);
  });

  it.each(['garbage', 't', 's1_2', 't1e5', 'r1_x'])('refuses the token %s', async (from) => {
    const roomId = await createRoom();
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', from } });
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', to: from } });
  });

  it('refuses missing and wrong parameters', async () => {
    const path = `${roomPath(await createRoom())}/messages`;
    await alice.expectError(400, 'M_MISSING_PARAM', 'GET', path);
    for (const query of [{ dir: 'x' }, { dir: 'b', limit: '-1' }, { dir: 'b', filter: '{' }, { dir: 'b', filter: '{"types":1}' }]) {
      await alice.expectError(400, 'M_INVALID_PARAM', 'GET', path, undefined, { query });
    }
  });
});

describe('filters', () => {
  let roomId: string;
  beforeAll(async () => {
    roomId = await createRoom();
    await join(bob, roomId);
    await join(carol, roomId);
    await send(alice, roomId, 'from alice');
    await send(bob, roomId, 'from bob', { url: 'mxc://a/b' });
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.topic`, { topic: 'T' });
  });
  const filtered = (client: TestClient, filter: object, query: object = {}) => messages(client, roomId, { dir: 'b', limit: 100, filter: JSON.stringify(filter), ...query });

  it.each<[string, () => object, string[]]>([
    ['types', () => ({ types: ['m.room.message'] }), ['from bob', 'from alice']],
    ['types with an asterisk', () => ({ types: ['m.*.top*'] }), ['m.room.topic']],
    ['not_types', () => ({ not_types: ['m.room.mem*'], senders: [bob.userId] }), ['from bob']],
    ['senders', () => ({ senders: [bob.userId] }), ['from bob', 'm.room.member']],
    ['not_senders', () => ({ types: ['m.room.message'], not_senders: [bob.userId] }), ['from alice']],
    ['contains_url', () => ({ contains_url: true }), ['from bob']],
    ['the limit', () => ({ types: ['m.room.message'], limit: 1 }), ['from bob']],
    ['not_rooms', () => ({ not_rooms: [roomId] }), []],
  ])('apply: %s', async (_name, filter, expected) => {
    expect(shownAs((await filtered(alice, filter())).chunk)).toEqual(expected);
  });

  it('let a page go on where the filter left off', async () => {
    const first = await filtered(alice, { types: ['m.room.message'] }, { limit: 1 });
    const second = await filtered(alice, { types: ['m.room.message'] }, { limit: 1, from: first.end });
    expect(bodies([...first.chunk, ...second.chunk])).toEqual(['from bob', 'from alice']);
  });

  it('load members lazily: those of the senders, not those of others', async () => {
    const { state, chunk } = await filtered(alice, { types: ['m.room.message'], lazy_load_members: true });
    expect(chunk).toHaveLength(2);
    expect(state.map((event: Json) => event.state_key).sort()).toEqual([alice.userId, bob.userId].sort());
    expect((await filtered(alice, { types: ['m.room.message'] })).state).toBeUndefined();
  });

  it('load lazily also the member whose event is further back among those shown', async () => {
    const { state, chunk } = await filtered(alice, { lazy_load_members: true }, { limit: 1000 });
    expect(chunk.at(-1).type).toBe('m.room.create');
    expect(state.filter((event: Json) => event.state_key === alice.userId)).toHaveLength(1);
  });

  it('leave out messages of ignored users', async () => {
    const reader = await net.client('a').register('reader');
    await join(reader, roomId);
    await reader.request('PUT', `/v3/user/${reader.userId}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } });
    expect(bodies((await filtered(reader, {})).chunk)).toEqual(['from alice']);
  });
});

describe('one event and its surroundings', () => {
  it('are shown to members and to nobody else', async () => {
    const roomId = await createRoom({ preset: 'private_chat' });
    const ids = await sendAll(roomId, range(9));
    const path = `${roomPath(roomId)}/event/${encodeURIComponent(ids[4]!)}`;
    expect(await alice.request('GET', path)).toMatchObject({ event_id: ids[4], room_id: roomId, content: { body: '5' } });
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', path);
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${roomPath(roomId)}/event/$unknown`);
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', `${roomPath(roomId)}/context/${encodeURIComponent(ids[4]!)}`);
    // The event of one room is not to be had through another.
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${roomPath(await createRoom())}/event/${encodeURIComponent(ids[4]!)}`);
    await bob.expectError(403, 'M_FORBIDDEN', 'GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b' } });
  });

  it('surround an event by the limit, with tokens that go on in both directions', async () => {
    const roomId = await createRoom();
    const ids = await sendAll(roomId, range(9));
    const context = (query: object) => alice.request('GET', `${roomPath(roomId)}/context/${encodeURIComponent(ids[4]!)}`, undefined, { query: query as Record<string, string> });
    const found = await context({ limit: 4 });
    expect([bodies(found.events_before), found.event.content.body, bodies(found.events_after)]).toEqual([['4', '3'], '5', ['6', '7']]);
    expect(found.state.map((event: Json) => event.type)).toEqual(expect.arrayContaining(['m.room.create', 'm.room.member', 'm.room.power_levels']));
    expect(bodies((await messages(alice, roomId, { dir: 'b', from: found.start, limit: 2 })).chunk)).toEqual(['2', '1']);
    expect(bodies((await messages(alice, roomId, { dir: 'f', from: found.end })).chunk)).toEqual(['8', '9']);
    const none = await context({ limit: 0 });
    expect([none.events_before, none.events_after, none.event.event_id]).toEqual([[], [], ids[4]]);
    const lazy = await context({ limit: 4, filter: JSON.stringify({ lazy_load_members: true }) });
    expect(lazy.state.map((event: Json) => event.type)).toEqual(['m.room.member']);
  });
});

describe('history visibility', () => {
  /** 1 before the invitation, 2 before the join, 3 after it, 4 after bob left. */
  async function story(visibility: string): Promise<string> {
    const roomId = await createRoom({ preset: 'private_chat', initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: visibility } }] });
    await send(alice, roomId, '1');
    await alice.request('POST', `${roomPath(roomId)}/invite`, { user_id: bob.userId });
    await send(alice, roomId, '2');
    await join(bob, roomId);
    await send(alice, roomId, '3');
    return roomId;
  }
  const seenBy = async (client: TestClient, roomId: string) => bodies((await allPages(client, roomId, { dir: 'f' })).events);

  it.each([['joined', ['3']], ['invited', ['2', '3']], ['shared', ['1', '2', '3']], ['world_readable', ['1', '2', '3']]])(
    '%s shows a member what it should', async (visibility, expected) => {
      const roomId = await story(visibility);
      expect(await seenBy(bob, roomId)).toEqual(expected);
      expect(bodies((await allPages(bob, roomId, { dir: 'b', limit: 2 })).events)).toEqual([...expected].reverse());
    },
  );

  it.each([['joined', ['3']], ['invited', ['2', '3']], ['shared', ['1', '2', '3']], ['world_readable', ['1', '2', '3', '4']]])(
    '%s shows who has left what was before', async (visibility, expected) => {
      const roomId = await story(visibility);
      await bob.request('POST', `${roomPath(roomId)}/leave`, {});
      const later = await send(alice, roomId, '4');
      expect(await seenBy(bob, roomId)).toEqual(expected);
      const isReadable = visibility === 'world_readable';
      const { status } = await bob.raw('GET', `${roomPath(roomId)}/event/${encodeURIComponent(later)}`);
      expect(status).toBe(isReadable ? 200 : 404);
      await bob.request('POST', `${roomPath(roomId)}/forget`, {});
      if (!isReadable) await bob.expectError(403, 'M_FORBIDDEN', 'GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b' } });
    },
  );

  it('lets anybody read a world-readable room, only as far as it was one', async () => {
    const roomId = await createRoom({ preset: 'private_chat' });
    await send(alice, roomId, 'private');
    await carol.expectError(403, 'M_FORBIDDEN', 'GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b' } });
    await setVisibility(roomId, 'world_readable');
    await send(alice, roomId, 'public');
    expect(await seenBy(carol, roomId)).toEqual(['public']);
  });

  it('changes for what comes after, not for what was before', async () => {
    const roomId = await createRoom();
    await send(alice, roomId, 'open');
    await setVisibility(roomId, 'joined');
    const hidden = await send(alice, roomId, 'closed');
    await setVisibility(roomId, 'shared');
    await send(alice, roomId, 'open again');
    await join(carol, roomId);
    expect(await seenBy(carol, roomId)).toEqual(['open', 'open again']);
    await carol.expectError(404, 'M_NOT_FOUND', 'GET', `${roomPath(roomId)}/event/${encodeURIComponent(hidden)}`);
  });
});
