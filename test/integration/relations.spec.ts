import { Network } from '../network/network.js';
import { RelatingRoom } from '../network/relating.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let room: RelatingRoom;
let root: string;

beforeAll(async () => {
  net = await Network.start();
  [alice, bob] = [await net.client().register('alice'), await net.client().register('bob')];
});
afterAll(() => net.stop());
beforeEach(async () => {
  ({ room, root } = await RelatingRoom.begin(alice, bob));
});

const ids = (page: Json): string[] => page.chunk.map((event: Json) => event.event_id);
async function everything(page: (query: Json) => Promise<Json>, query: Json): Promise<{ pages: Json[]; all: string[] }> {
  const pages: Json[] = [];
  for (let from: string | undefined; pages.length < 50; ) {
    const one = await page({ ...query, from });
    pages.push(one);
    if (one.next_batch === undefined) return { pages, all: pages.flatMap(ids) };
    from = one.next_batch;
  }
  throw new Error('no end');
}

describe('relations of an event', () => {
  it('are found by kind and type, the newest first, or the oldest', async () => {
    const reply = await room.reply(bob, root, 'reply');
    const reaction = await room.react(bob, root, '👍');
    const edit = await room.edit(alice, root, 'edited');
    expect(ids(await room.relations(bob, root))).toEqual([edit, reaction, reply]);
    expect(ids(await room.relations(bob, root, '', { dir: 'f' }))).toEqual([reply, reaction, edit]);
    expect(ids(await room.relations(bob, root, '/m.annotation'))).toEqual([reaction]);
    expect(ids(await room.relations(bob, root, '/m.annotation/m.reaction'))).toEqual([reaction]);
    expect(ids(await room.relations(bob, root, '/m.annotation/m.room.message'))).toEqual([]);
    const page = await room.relations(bob, root, '/m.thread');
    expect(page).toEqual({ chunk: [expect.objectContaining({ event_id: reply, room_id: room.roomId, sender: bob.userId, unsigned: expect.objectContaining({ membership: 'join' }) })] });
  });

  it.each(['b', 'f'])('come in pages, in the direction %s', async (dir) => {
    const replies: string[] = [];
    for (let i = 0; i < 7; i++) replies.push(await room.reply(alice, root, `${i}`));
    const expected = dir === 'f' ? replies : replies.toReversed();
    for (const limit of [1, 3, 7, 100]) {
      const { pages, all } = await everything((query) => room.relations(bob, root, '', query), { dir, limit });
      expect(all).toEqual(expected);
      expect(pages).toHaveLength(Math.ceil(7 / Math.min(limit, 7)));
    }
    const first = await room.relations(bob, root, '', { dir, limit: 2 });
    expect(first.prev_batch).toBeUndefined();
    const second = await room.relations(bob, root, '', { dir, limit: 2, from: first.next_batch });
    expect(second.prev_batch).toBe(first.next_batch);
    const rest = await room.relations(bob, root, '', { dir, limit: 100, from: first.next_batch, to: second.next_batch });
    expect(ids(rest)).toEqual(expected.slice(2, 4));
  });

  it('take tokens of other answers', async () => {
    await room.reply(alice, root, 'before');
    const { next_batch: since } = await bob.request('GET', '/v3/sync');
    const after = await room.reply(alice, root, 'after');
    expect(ids(await room.relations(bob, root, '', { to: since }))).toEqual([after]);
    expect(ids(await room.relations(bob, root, '', { dir: 'f', from: since }))).toEqual([after]);
    const { start } = await bob.request('GET', `${room.path}/messages`, undefined, { query: { dir: 'b', limit: 1 } });
    expect(ids(await room.relations(bob, root, '', { from: start }))).toHaveLength(2);
    await bob.expectError(400, 'M_INVALID_PARAM', 'GET', `/v1/rooms/${room.roomId}/relations/${encodeURIComponent(root)}?from=nonsense`);
  });

  it('of relations are found to the third', async () => {
    const reply = await room.reply(alice, root, 'reply');
    const reaction = await room.react(bob, reply, '👍');
    const third = await room.say(bob, 'about it', { rel_type: 'm.reference', event_id: reaction });
    await room.say(bob, 'too far', { rel_type: 'm.reference', event_id: third });
    expect(ids(await room.relations(bob, root))).toEqual([reply]);
    const page = await room.relations(bob, root, '', { recurse: true });
    expect(ids(page)).toEqual([third, reaction, reply]);
    expect(page.recursion_depth).toBe(3);
    expect(ids(await room.relations(bob, root, '/m.annotation', { recurse: true }))).toEqual([reaction]);
    expect(await room.relations(bob, root)).not.toHaveProperty('recursion_depth');
    const { all } = await everything((query) => room.relations(bob, root, '', query), { recurse: true, limit: 1 });
    expect(all).toEqual([third, reaction, reply]);
  });

  it('end with a redaction, and leave out who is ignored', async () => {
    const [first, second] = [await room.react(alice, root, '👍'), await room.react(bob, root, '👎')];
    await room.redact(alice, first);
    expect(ids(await room.relations(alice, root))).toEqual([second]);
    await alice.request('PUT', `/v3/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } });
    expect(ids(await room.relations(alice, root))).toEqual([]);
    await alice.request('PUT', `/v3/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: {} });
  });

  it('are for those who may see the event', async () => {
    const hidden = await RelatingRoom.create(alice, { preset: 'private_chat' });
    const secret = await hidden.say(alice, 'secret');
    const path = (roomId: string, eventId: string) => `/v1/rooms/${encodeURIComponent(roomId)}/relations/${encodeURIComponent(eventId)}`;
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', path(hidden.roomId, secret));
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', path(room.roomId, secret));
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', path(room.roomId, '$nothing'));
  });
});

describe('threads of a room', () => {
  it('are listed by their newest replies', async () => {
    const other = await room.say(bob, 'other');
    await room.reply(alice, root, 'a');
    await room.reply(alice, other, 'b');
    expect(ids(await room.threads(bob))).toEqual([other, root]);
    const last = await room.reply(alice, root, 'c');
    const page = await room.threads(bob);
    expect(ids(page)).toEqual([root, other]);
    expect(page.chunk[0].unsigned['m.relations']['m.thread']).toMatchObject({ count: 2, latest_event: { event_id: last } });
    await room.redact(alice, last);
    expect(ids(await room.threads(bob))).toEqual([other, root]);
  });

  it('come in pages', async () => {
    const roots = [root];
    for (let i = 0; i < 4; i++) roots.push(await room.say(alice, `${i}`));
    for (const one of roots) for (let i = 0; i < 2; i++) await room.reply(alice, one, 'reply');
    for (const limit of [1, 2, 5, 10]) {
      const { all, pages } = await everything((query) => room.threads(bob, query), { limit });
      expect(all).toEqual(roots.toReversed());
      expect(pages).toHaveLength(Math.ceil(5 / Math.min(limit, 5)));
    }
    await bob.expectError(400, 'M_INVALID_PARAM', 'GET', `/v1/rooms/${room.roomId}/threads?from=nonsense`);
  });

  it('are those that one took part in, where that is asked', async () => {
    const [mine, replied] = [await room.say(bob, 'mine'), await room.say(alice, 'replied')];
    for (const one of [root, mine, replied]) await room.reply(alice, one, 'reply');
    await room.reply(bob, replied, 'reply');
    expect(ids(await room.threads(bob, { include: 'participated' }))).toEqual([replied, mine]);
    expect(ids(await room.threads(bob, { include: 'all' }))).toHaveLength(3);
  });

  it('show nothing of what who is ignored has begun', async () => {
    await room.reply(bob, root, 'reply');
    await room.edit(alice, root, 'edited');
    await bob.request('PUT', `/v3/user/${bob.userId}/account_data/m.ignored_user_list`, { ignored_users: { [alice.userId]: {} } });
    const { chunk: [thread] } = await room.threads(bob);
    expect(thread).toMatchObject({ event_id: root, content: {} });
    expect(Object.keys(thread.unsigned['m.relations'])).toEqual(['m.thread']);
    await bob.request('PUT', `/v3/user/${bob.userId}/account_data/m.ignored_user_list`, { ignored_users: {} });
  });

  it('are for those who may look into the room', async () => {
    const hidden = await RelatingRoom.create(alice, { preset: 'private_chat' });
    await bob.expectError(403, 'M_FORBIDDEN', 'GET', `/v1/rooms/${encodeURIComponent(hidden.roomId)}/threads`);
  });
});

describe('what may be said of other events', () => {
  it('is the same annotation once, for each sender, type and key', async () => {
    const path = () => `${room.path}/send/m.reaction/${alice.nextTxn()}`;
    const content = { 'm.relates_to': { rel_type: 'm.annotation', event_id: root, key: '👍' } };
    const first = await room.react(alice, root, '👍');
    await alice.expectError(400, 'M_DUPLICATE_ANNOTATION', 'PUT', path(), content);
    await room.react(alice, root, '👎');
    await room.react(bob, root, '👍');
    await room.send(alice, 'org.example.reaction', content);
    await room.redact(alice, first);
    const again = await room.react(alice, root, '👍');
    const both = await Promise.all(['a', 'b'].map(() => alice.raw('PUT', path(), { 'm.relates_to': { rel_type: 'm.annotation', event_id: again, key: 'x' } })));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 400]);
  });

  it('is the same request as often as it comes', async () => {
    const path = `${room.path}/send/m.reaction/same`;
    const content = { 'm.relates_to': { rel_type: 'm.annotation', event_id: root, key: '👍' } };
    const first = await alice.request('PUT', path, content);
    expect(await alice.request('PUT', path, content)).toEqual(first);
    await net.server('a').restart();
    expect(await alice.request('PUT', path, content)).toEqual(first);
  });

  it('is no thread in a thread', async () => {
    const reply = await room.reply(alice, root, 'reply');
    const content = { msgtype: 'm.text', body: 'deeper', 'm.relates_to': { rel_type: 'm.thread', event_id: reply } };
    await alice.expectError(400, 'M_UNKNOWN', 'PUT', `${room.path}/send/m.room.message/${alice.nextTxn()}`, content);
    const stranger = await net.client().register('stranger');
    await stranger.expectError(403, 'M_FORBIDDEN', 'PUT', `${room.path}/send/m.room.message/1`, content);
  });
});

describe('filters', () => {
  it('know how events relate, and what relates to them', async () => {
    const reply = await room.reply(alice, root, 'reply');
    const reference = await room.say(alice, 'reference', { rel_type: 'm.reference', event_id: root });
    const reaction = await room.react(bob, reply, '👍');
    const shown = async (filter: Json): Promise<string[]> => {
      const inMessages = ids(await bob.request('GET', `${room.path}/messages`, undefined, { query: { dir: 'f', limit: 100, filter: JSON.stringify(filter) } }));
      const sync = await bob.request('GET', '/v3/sync', undefined, { query: { filter: JSON.stringify({ room: { rooms: [room.roomId], timeline: { ...filter, limit: 50 } } }) } });
      expect(sync.rooms.join[room.roomId].timeline.events.map((event: Json) => event.event_id)).toEqual(inMessages);
      return inMessages;
    };
    for (const prefix of ['', 'org.matrix.msc3874.']) {
      expect(await shown({ [`${prefix}rel_types`]: ['m.thread'] })).toEqual([reply]);
      expect(await shown({ [`${prefix}rel_types`]: ['m.thread', 'm.reference'] })).toEqual([reply, reference]);
      expect(await shown({ types: ['m.room.message'], [`${prefix}not_rel_types`]: ['m.thread'] })).toEqual([root, reference]);
    }
    expect(await shown({ related_by_rel_types: ['m.thread'] })).toEqual([root]);
    expect(await shown({ related_by_rel_types: ['m.annotation', 'm.reference'] })).toEqual([root, reply]);
    expect(await shown({ related_by_senders: [bob.userId] })).toEqual([reply]);
    expect(await shown({ related_by_senders: [bob.userId], related_by_rel_types: ['m.thread'] })).toEqual([]);
    expect(await shown({ related_by_senders: [alice.userId], related_by_rel_types: ['m.thread'] })).toEqual([root]);
    expect(reaction).toMatch(/^\$/);
  });
});
