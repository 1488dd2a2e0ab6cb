import { Database } from '../../apps/homeserver/src/storage/database.js';
import { SyncNotifier } from '../../apps/homeserver/src/sync/notify/sync-notifier.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import { bodies, createRoom, filter, find, join, say, setState, stateOf, sync } from './sync-talk.js';

let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

let users = 0;
const user = (name = 'user') => net.client().register(`${name}${++users}`);

describe('an initial sync', () => {
  it('shows a room once: its state before the timeline, and the timeline', async () => {
    const alice = await user();
    const roomId = await createRoom(alice, { name: 'Club' });
    for (let i = 1; i <= 12; i++) await say(alice, roomId, `m${i}`);
    const joined = (await sync(alice)).rooms.join[roomId];
    expect(bodies(joined)).toEqual(['m3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9', 'm10', 'm11', 'm12']);
    expect(joined.timeline.limited).toBe(true);
    expect(typeof joined.timeline.prev_batch).toBe('string');
    expect(stateOf(joined, 'm.room.name').content.name).toBe('Club');
    expect(stateOf(joined, 'm.room.member', alice.userId).content.membership).toBe('join');
    expect(joined.state.events.some((event: Json) => event.room_id !== undefined)).toBe(false);
    expect(joined).toMatchObject({ ephemeral: { events: [] }, account_data: { events: [] }, unread_notifications: { highlight_count: 0 } });
  });

  it('is not limited when everything fits, and then has no state', async () => {
    const alice = await user();
    const roomId = await createRoom(alice);
    const joined = (await sync(alice, { filter: filter({ room: { timeline: { limit: 100 } } }) })).rooms.join[roomId];
    expect(joined.timeline.limited).toBe(false);
    expect(joined.state.events).toEqual([]);
    expect(joined.timeline.events[0].type).toBe('m.room.create');
  });

  it('puts state as it was at the start of the timeline beside it', async () => {
    const alice = await user();
    const roomId = await createRoom(alice, { name: 'Old' });
    await say(alice, roomId, 'between');
    await setState(alice, roomId, 'm.room.name', { name: 'New' });
    const limited = filter({ room: { timeline: { limit: 2 } } });
    const joined = (await sync(alice, { filter: limited })).rooms.join[roomId];
    expect(stateOf(joined, 'm.room.name').content.name).toBe('Old');
    expect(find(joined.timeline.events, 'm.room.name', '').content.name).toBe('New');
    expect(find(joined.timeline.events, 'm.room.name', '').unsigned.prev_content).toEqual({ name: 'Old' });
    const after = (await sync(alice, { filter: limited, use_state_after: true })).rooms.join[roomId];
    expect(after.state).toBeUndefined();
    expect(stateOf(after, 'm.room.name', '', 'state_after').content.name).toBe('New');
    const unstable = (await sync(alice, { filter: limited, 'org.matrix.msc4222.use_state_after': true })).rooms.join[roomId];
    expect(unstable['org.matrix.msc4222.state_after'].events.map((event: Json) => event.event_id)).toEqual(after.state_after.events.map((event: Json) => event.event_id));
    expect(unstable.state).toBeUndefined();
  });

  it('tells the transaction to the device that made the event only', async () => {
    const alice = await user('txn');
    const other = await net.client().login(alice.userId.slice(1).split(':')[0]!);
    const roomId = await createRoom(alice);
    await alice.request('PUT', `${roomPath(roomId)}/send/m.room.message/mine`, { body: 'x', msgtype: 'm.text' });
    const mine = (await sync(alice)).rooms.join[roomId].timeline.events.at(-1);
    expect(mine.unsigned).toMatchObject({ transaction_id: 'mine', membership: 'join' });
    expect(mine.unsigned.age).toBeGreaterThanOrEqual(0);
    const others = await other.raw('GET', '/v3/sync');
    if (others.status === 200) {
      expect(others.body.rooms.join[roomId].timeline.events.at(-1).unsigned.transaction_id).toBeUndefined();
    } else throw new Error(JSON.stringify(others.body));
  });
});

describe('an incremental sync', () => {
  it('brings what is new and nothing else', async () => {
    const alice = await user();
    const [one, two] = [await createRoom(alice), await createRoom(alice)];
    const { next_batch: since } = await sync(alice);
    await say(alice, one, 'news');
    const answer = await sync(alice, { since });
    expect(Object.keys(answer.rooms.join)).toEqual([one]);
    expect(bodies(answer.rooms.join[one])).toEqual(['news']);
    expect(answer.rooms.join[one]).toMatchObject({ timeline: { limited: false }, state: { events: [] } });
    expect((await sync(alice, { since: answer.next_batch })).rooms).toBeUndefined();
    expect(bodies((await sync(alice, { since })).rooms.join[one])).toEqual(['news']);
    expect((await sync(alice, { since })).rooms.join[two]).toBeUndefined();
  });

  it('makes no query when there is nothing new', async () => {
    const alice = await user();
    await createRoom(alice);
    const { next_batch: since } = await sync(alice);
    await sync(alice, { since });
    const database = net.server('a').get(Database);
    const queries = (): number => database.counters.statements + database.counters.transactions;
    // What the server does by itself may come in between, once or twice: a query of each sync would come every time.
    await eventually(async () => {
      const before = queries();
      for (let i = 0; i < 5; i++) expect((await sync(alice, { since })).rooms).toBeUndefined();
      return queries() === before;
    });
  });

  it('has few queries for a change, and none for the next reader of the same change', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice, { preset: 'public_chat' });
    await join(bob, roomId);
    // What is asked once about a reader: its name in the room, its push rules, its inbox.
    await say(alice, roomId, 'warm-up');
    await say(bob, roomId, 'warm-up');
    const tokens = await Promise.all([alice, bob].map(async (client) => (await sync(client, { since: (await sync(client)).next_batch })).next_batch));
    await say(alice, roomId, 'x');
    const database = net.server('a').get(Database);
    const count = async (client: TestClient, since: string) => {
      const before = database.counters.statements;
      expect(bodies((await sync(client, { since })).rooms.join[roomId])).toEqual(['x']);
      return database.counters.statements - before;
    };
    expect(await count(alice, tokens[0])).toBeLessThanOrEqual(6);
    expect(await count(bob, tokens[1])).toBe(0);
  });

  it('reads a change once for all who wait for it', async () => {
    const users = await Promise.all(Array.from({ length: 12 }, user));
    const roomId = await createRoom(users[0]!, { preset: 'public_chat' });
    for (const client of users.slice(1)) await join(client, roomId);
    const tokens = await Promise.all(users.map(async (client) => (await sync(client, { since: (await sync(client)).next_batch })).next_batch));
    const database = net.server('a').get(Database);
    await say(users[0]!, roomId, 'x');
    const before = database.counters.statements;
    const answers = await Promise.all(users.map((client, i) => sync(client, { since: tokens[i]! })));
    for (const answer of answers) expect(bodies(answer.rooms.join[roomId])).toEqual(['x']);
    expect(database.counters.statements - before).toBeLessThanOrEqual(8);
  });

  it('sends the state that changed in a gap, in its last version', async () => {
    const alice = await user();
    const roomId = await createRoom(alice);
    const { next_batch: since } = await sync(alice);
    for (const name of ['One', 'Two']) await setState(alice, roomId, 'm.room.name', { name });
    for (let i = 1; i <= 3; i++) await say(alice, roomId, `m${i}`);
    const joined = (await sync(alice, { since, filter: filter({ room: { timeline: { limit: 2 } } }) })).rooms.join[roomId];
    expect(joined.timeline.limited).toBe(true);
    expect(bodies(joined)).toEqual(['m2', 'm3']);
    expect(joined.state.events.map((event: Json) => event.content)).toEqual([{ name: 'Two' }]);
  });

  it('with full_state brings all state, but only the new timeline', async () => {
    const alice = await user();
    const [roomId, quiet] = [await createRoom(alice, { name: 'Club' }), await createRoom(alice, { name: 'Quiet' })];
    const { next_batch: since } = await sync(alice);
    await say(alice, roomId, 'news');
    const { join: joined } = (await sync(alice, { since, full_state: true, timeout: 60_000 })).rooms;
    expect(bodies(joined[roomId])).toEqual(['news']);
    expect(stateOf(joined[roomId], 'm.room.name').content.name).toBe('Club');
    expect(stateOf(joined[quiet], 'm.room.name').content.name).toBe('Quiet');
    expect(joined[quiet].timeline.events).toEqual([]);
  });

  it('refuses tokens and filters that are none', async () => {
    const alice = await user();
    for (const since of ['x', 's1_1', 's2_1_1_1_1_1_1', 's1_1_1_1_1_1_x', 's1_99999999999999999_1_1_1_1_1']) {
      await alice.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/sync', undefined, { query: { since } });
    }
    await alice.expectError(400, 'M_UNKNOWN_POS', 'GET', '/v3/sync', undefined, { query: { since: 'r1_gone' } });
    for (const bad of ['nothing', '{', '{"room":[]}', '{"room":{"timeline":{"limit":"many"}}}']) {
      await alice.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/sync', undefined, { query: { filter: bad } });
    }
  });

  it('marks what was redacted', async () => {
    const alice = await user();
    const roomId = await createRoom(alice);
    const eventId = await say(alice, roomId, 'secret');
    expect(bodies((await sync(alice)).rooms.join[roomId])).toContain('secret');
    await alice.request('PUT', `${roomPath(roomId)}/redact/${encodeURIComponent(eventId)}/r1`, { reason: 'oops' });
    const { events } = (await sync(alice)).rooms.join[roomId].timeline;
    const target = events.find((event: Json) => event.event_id === eventId);
    expect(target.content).toEqual({});
    expect(target.unsigned.redacted_because).toMatchObject({ type: 'm.room.redaction', content: { reason: 'oops' } });
  });
});

describe('a long poll', () => {
  const waiting = () => net.server('a').get(SyncNotifier).waiting;

  it('answers when something happens', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice, { preset: 'public_chat' });
    await join(bob, roomId);
    const { next_batch: since } = await sync(bob);
    const poll = sync(bob, { since, timeout: 30_000 });
    await eventually(() => waiting() === 1);
    await say(alice, roomId, 'wake up');
    expect(bodies((await poll).rooms.join[roomId])).toEqual(['wake up']);
    expect(waiting()).toBe(0);
  });

  it('answers with a token alone when its time is up, and keeps waiting when a filter hides what happened', async () => {
    const alice = await user();
    const roomId = await createRoom(alice);
    const hidden = filter({ room: { timeline: { types: ['nothing'] }, state: { types: [] } } });
    const { next_batch: since } = await sync(alice, { filter: hidden });
    const poll = sync(alice, { since, timeout: 700, filter: hidden });
    await eventually(() => waiting() === 1);
    await say(alice, roomId, 'unseen');
    const answer = await poll;
    expect(answer.rooms).toBeUndefined();
    expect((await sync(alice, { since: answer.next_batch })).rooms).toBeUndefined();
  });

  it('says nothing of a room whose member has only another name, where the filter hides that', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice);
    const hidden = filter({ room: { timeline: { types: [] }, state: { types: ['nothing'] }, ephemeral: { types: [] } } });
    const { next_batch: since } = await sync(alice, { filter: hidden });
    await alice.request('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(alice.userId)}`, { membership: 'join', displayname: 'Boris' });
    const answer = await sync(alice, { since, filter: hidden });
    expect(answer.rooms).toBeUndefined();
    await alice.request('POST', `/v3/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: bob.userId });
    expect((await sync(alice, { since: answer.next_batch, filter: hidden })).rooms.join[roomId].summary).toMatchObject({ 'm.invited_member_count': 1 });
  });

  it('ends when the client hangs up', async () => {
    const alice = await user();
    const { next_batch: since } = await sync(alice);
    const hangUp = new AbortController();
    const poll = alice.raw('GET', '/v3/sync', undefined, { query: { since, timeout: 60_000 }, signal: hangUp.signal });
    await eventually(() => waiting() === 1);
    hangUp.abort();
    await expect(poll).rejects.toThrow();
    await eventually(() => waiting() === 0);
  });
});

describe('frontiers', () => {
  it('names the newest events of the rooms of the answer', async () => {
    const alice = await user();
    const roomId = await createRoom(alice);
    const last = await say(alice, roomId, 'x');
    const answer = await sync(alice, { 'io.partyline.frontier': true });
    expect(answer['io.partyline.frontier']).toEqual({ [roomId]: [last] });
    expect(answer['io.partyline.account']).toEqual({});
    expect((await sync(alice))['io.partyline.frontier']).toBeUndefined();
  });
});
