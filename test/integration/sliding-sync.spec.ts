import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { first, slide, slide4, stateIn, texts } from './sliding-talk.js';
import { createRoom, join, leave, say, setState } from './sync-talk.js';

let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

let people = 0;
const person = (): Promise<TestClient> => net.client().register(`person${++people}`);
const wait = { timeout: 20_000 };
const roomWith = async (owner: TestClient, ...others: TestClient[]): Promise<string> => {
  const roomId = await createRoom(owner, { preset: 'public_chat' });
  for (const other of others) await join(other, roomId);
  return roomId;
};

describe('the rooms of a list', () => {
  it('come most recent first, as many as the range says, and as they move up', async () => {
    const alice = await person();
    const rooms: string[] = [];
    for (let i = 0; i < 5; i++) rooms.push(await createRoom(alice, { name: `room ${i}` }));
    await say(alice, rooms[1]!, 'newest');
    const one = await slide(alice, first(2));
    expect(Object.keys(one.rooms)).toEqual([rooms[1], rooms[4]]);
    expect(one.lists).toEqual({ all: { count: 5 } });
    expect(one.rooms[rooms[1]!]).toMatchObject({ name: 'room 1', initial: true, joined_count: 1, invited_count: 0, num_live: 0, notification_count: 0 });
    // A wider range: those that are not known yet.
    const two = await slide(alice, first(4), { pos: one.pos });
    expect(Object.keys(two.rooms)).toEqual([rooms[3], rooms[2]]);
    // What happens in a room outside of the range brings it in, whole.
    await say(alice, rooms[0]!, 'up');
    const three = await slide(alice, first(2), { pos: two.pos, ...wait });
    expect(Object.keys(three.rooms)).toEqual([rooms[0]]);
    expect(three.rooms[rooms[0]!]).toMatchObject({ initial: true, num_live: 1, name: 'room 0' });
    // What was told is not told again, what is new is, without what has not changed.
    await say(alice, rooms[0]!, 'more');
    const four = await slide(alice, first(2), { pos: three.pos, ...wait });
    expect(texts(four.rooms[rooms[0]!])).toEqual(['more']);
    expect(four.rooms[rooms[0]!]).not.toHaveProperty('initial');
    expect(four.rooms[rooms[0]!]).not.toHaveProperty('name');
    expect(four.rooms[rooms[0]!].bump_stamp).toBeGreaterThan(three.rooms[rooms[0]!].bump_stamp);
    expect((await slide(alice, first(2), { pos: four.pos })).rooms).toEqual({});
  });

  it('that was out of the range goes on where it was told', async () => {
    const alice = await person();
    const [a, b] = [await createRoom(alice), await createRoom(alice)];
    const one = await slide(alice, first(2));
    await say(alice, a, 'one');
    await say(alice, b, 'two');
    const two = await slide(alice, first(1), { pos: one.pos });
    expect(Object.keys(two.rooms)).toEqual([b]);
    const three = await slide(alice, first(2), { pos: two.pos });
    expect(Object.keys(three.rooms)).toEqual([a]);
    expect(texts(three.rooms[a])).toEqual(['one']);
    expect(three.rooms[a]).toMatchObject({ num_live: 0, limited: false });
  });

  it('is filtered', async () => {
    const alice = await person();
    const plain = await createRoom(alice, { name: 'A Plain Room' });
    const encrypted = await createRoom(alice, { initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }] });
    const space = await createRoom(alice, { creation_content: { type: 'm.space' } });
    const bob = await person();
    const invite = await createRoom(bob, { invite: [alice.userId], name: 'invited' });
    await alice.request('PUT', `/v3/user/${alice.userId}/account_data/m.direct`, { [bob.userId]: [plain] });
    await alice.request('PUT', `/v3/user/${alice.userId}/rooms/${plain}/tags/m.favourite`, { order: 0.5 });
    await setState(alice, space, 'm.space.child', { via: ['a'] }, encrypted);
    const shown = async (filters: Json): Promise<string[]> => {
      const answer = await slide(alice, first(10, { filters }));
      const ids = Object.keys(answer.rooms).toSorted();
      expect(answer.lists.all.count).toBe(ids.length);
      return ids;
    };
    const ids = (...list: string[]): string[] => list.toSorted();
    expect(await shown({})).toEqual(ids(plain, encrypted, space, invite));
    expect(await shown({ is_dm: true })).toEqual([plain]);
    expect(await shown({ is_dm: false })).toEqual(ids(encrypted, space, invite));
    expect(await shown({ is_encrypted: true })).toEqual([encrypted]);
    expect(await shown({ is_encrypted: false })).toEqual(ids(plain, space, invite));
    expect(await shown({ is_invite: true })).toEqual([invite]);
    expect(await shown({ is_invite: false })).toEqual(ids(plain, encrypted, space));
    expect(await shown({ room_types: ['m.space'] })).toEqual([space]);
    expect(await shown({ room_types: [null], is_invite: false })).toEqual(ids(plain, encrypted));
    expect(await shown({ not_room_types: ['m.space'] })).toEqual(ids(plain, encrypted, invite));
    expect(await shown({ room_name_like: 'plain' })).toEqual([plain]);
    expect(await shown({ tags: ['m.favourite'] })).toEqual([plain]);
    expect(await shown({ not_tags: ['m.favourite'] })).toEqual(ids(encrypted, space, invite));
    expect(await shown({ spaces: [space] })).toEqual([encrypted]);
    // Types, names and marks that change count from then on.
    await setState(alice, plain, 'm.room.name', { name: 'other' });
    await alice.request('DELETE', `/v3/user/${alice.userId}/rooms/${plain}/tags/m.favourite`);
    expect(await shown({ room_name_like: 'plain' })).toEqual([]);
    expect(await shown({ tags: ['m.favourite'] })).toEqual([]);
  });

  it('ends as the membership does', async () => {
    const [alice, bob] = [await person(), await person()];
    const [left, kicked, banned] = [await roomWith(bob, alice), await roomWith(bob, alice), await roomWith(bob, alice)];
    const one = await slide4(alice, { lists: { all: { range: [0, 9], required_state: {}, timeline_limit: 5 } } });
    expect(Object.keys(one.rooms).toSorted()).toEqual([left, kicked, banned].toSorted());
    await leave(alice, left);
    await bob.request('POST', `/v3/rooms/${kicked}/kick`, { user_id: alice.userId });
    await bob.request('POST', `/v3/rooms/${banned}/ban`, { user_id: alice.userId });
    await say(bob, kicked, 'among us');
    const body = { pos: one.pos, lists: { all: { range: [0, 9], required_state: {}, timeline_limit: 5 } } };
    const two = await slide4(alice, body);
    expect([left, kicked, banned].map((id) => two.rooms[id].membership)).toEqual(['leave', 'leave', 'ban']);
    expect(two.rooms[kicked].timeline.at(-1).content.membership).toBe('leave');
    expect(two.rooms[kicked].lists).toEqual(['all']);
    expect((await slide4(alice, { ...body, pos: two.pos })).rooms).toEqual({});
    // Who begins anew is told who threw it out, not what it left itself.
    const anew = await slide4(alice, { ...body, pos: undefined, conn_id: 'another' });
    expect(Object.keys(anew.rooms).toSorted()).toEqual([kicked, banned].toSorted());
    // And a room comes back whole.
    await join(alice, left);
    const back = await slide4(alice, { ...body, pos: two.pos });
    expect(back.rooms[left]).toMatchObject({ membership: 'join', initial: true });
  });
});

describe('invitations and knocks', () => {
  it('are shown as far as the reader may know the room', async () => {
    const [alice, bob] = [await person(), await person()];
    const one = await slide(alice, first(5));
    const roomId = await createRoom(bob, { invite: [alice.userId], name: 'secret plans', preset: 'private_chat' });
    const two = await slide(alice, first(5), { pos: one.pos, ...wait });
    expect(two.rooms[roomId].invite_state.find((event: Json) => event.type === 'm.room.name').content.name).toBe('secret plans');
    expect(two.rooms[roomId]).not.toHaveProperty('timeline');
    expect((await slide4(alice, { conn_id: 'another', lists: { all: { required_state: {}, timeline_limit: 1 } } })).rooms[roomId].stripped_state.length).toBeGreaterThan(1);
    await join(alice, roomId);
    const three = await slide(alice, first(5), { pos: two.pos, ...wait });
    expect(three.rooms[roomId]).toMatchObject({ initial: true, name: 'secret plans', joined_count: 2 });
  });

  it('of ignored people are not', async () => {
    const [alice, bob] = [await person(), await person()];
    await alice.request('PUT', `/v3/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } });
    await createRoom(bob, { invite: [alice.userId] });
    expect(await slide(alice, first(5))).toMatchObject({ rooms: {}, lists: { all: { count: 0 } } });
  });
});

describe('room configurations', () => {
  it('name the state that is wanted', async () => {
    const [alice, bob] = [await person(), await person()];
    const roomId = await roomWith(alice, bob);
    await setState(alice, roomId, 'm.room.topic', { topic: 'one' });
    await setState(alice, roomId, 'a.type', { n: 1 }, 'x');
    await setState(alice, roomId, 'a.type', { n: 2 }, 'y');
    const types = async (required_state: Json): Promise<string[]> => {
      const answer = await slide(alice, first(1, { required_state, timeline_limit: 1 }));
      return (answer.rooms[roomId].required_state ?? []).map((event: Json) => `${event.type} ${event.state_key}`).toSorted();
    };
    expect(await types([])).toEqual([]);
    expect(await types([['m.room.topic', '']])).toEqual(['m.room.topic ']);
    expect(await types([['a.type', '*']])).toEqual(['a.type x', 'a.type y']);
    expect(await types([['*', 'x']])).toEqual(['a.type x']);
    expect(await types([['m.room.member', '$ME']])).toEqual([`m.room.member ${alice.userId}`]);
    expect(await types([['m.room.member', '$LAZY']])).toEqual([`m.room.member ${alice.userId}`]);
    const all = await types([['*', '*']]);
    expect(all).toEqual(expect.arrayContaining(['a.type x', 'm.room.create ', `m.room.member ${bob.userId}`]));
    expect(await types([['*', '*'], ['m.room.member', '$LAZY']])).toEqual(all.filter((key) => key !== `m.room.member ${bob.userId}`));
    const excluded = await slide4(alice, { lists: { all: { required_state: { include: [{}], exclude: [{ type: 'a.type' }], lazy_members: true }, timeline_limit: 1 } } });
    expect(excluded.rooms[roomId].required_state.map((event: Json) => event.type)).not.toContain('a.type');
  });

  it('that grow are answered at once', async () => {
    const alice = await person();
    const roomId = await createRoom(alice);
    await setState(alice, roomId, 'm.room.topic', { topic: 'a topic' });
    for (const body of ['one', 'two', 'three']) await say(alice, roomId, body);
    const one = await slide(alice, first(1, { timeline_limit: 1 }));
    expect(texts(one.rooms[roomId])).toEqual(['three']);
    const body = { ...first(1, { timeline_limit: 1 }), room_subscriptions: { [roomId]: { timeline_limit: 3, required_state: [['m.room.topic', '']] } } };
    const two = await slide(alice, body, { pos: one.pos, ...wait });
    expect(texts(two.rooms[roomId])).toEqual(['one', 'two', 'three']);
    expect(two.rooms[roomId]).toMatchObject({ unstable_expanded_timeline: true, num_live: 0 });
    expect(two.rooms[roomId]).not.toHaveProperty('initial');
    expect(stateIn(two.rooms[roomId], 'm.room.topic').content.topic).toBe('a topic');
    expect((await slide(alice, body, { pos: two.pos })).rooms).toEqual({});
    // And the subscription alone is enough.
    await say(alice, roomId, 'four');
    const three = await slide(alice, { room_subscriptions: body.room_subscriptions }, { pos: two.pos, ...wait });
    expect(texts(three.rooms[roomId])).toEqual(['four']);
  });

  it('get what changes of the state, and what is taken away', async () => {
    const [alice, bob] = [await person(), await person()];
    const roomId = await roomWith(alice, bob);
    await say(alice, roomId, 'hello');
    const body = { lists: { all: { range: [0, 0], required_state: { include: [{ type: 'm.room.topic' }], lazy_members: true }, timeline_limit: 1 } } };
    const one = await slide4(alice, body);
    await setState(alice, roomId, 'm.room.topic', { topic: 'new' });
    await setState(alice, roomId, 'm.room.name', { name: 'named' });
    await setState(alice, roomId, 'm.room.name', { name: '' });
    await say(bob, roomId, 'hello');
    expect(stateIn((await slide4(alice, { ...body, pos: one.pos })).rooms[roomId], 'm.room.member', bob.userId)).toBeDefined();
    // That answer was lost.
    const two = await slide4(alice, { ...body, pos: one.pos });
    expect(stateIn(two.rooms[roomId], 'm.room.topic').content.topic).toBe('new');
    expect(two.rooms[roomId].name).toBeNull();
    expect(two.rooms[roomId].limited).toBe(true);
    expect(stateIn(two.rooms[roomId], 'm.room.member', bob.userId).content.membership).toBe('join');
    // Whom the client has been told of for certain is not told again.
    await say(bob, roomId, 'again');
    const three = await slide4(alice, { ...body, pos: two.pos });
    await say(bob, roomId, 'and again');
    const four = await slide4(alice, { ...body, pos: three.pos });
    expect(texts(four.rooms[roomId])).toEqual(['and again']);
    expect(four.rooms[roomId]).not.toHaveProperty('required_state');
  });

  it('name rooms without a name by who is in them', async () => {
    const [alice, bob] = [await person(), await person()];
    await bob.request('PUT', `/v3/profile/${bob.userId}/displayname`, { displayname: 'Bob' });
    const roomId = await roomWith(alice, bob);
    await alice.request('PUT', `/v3/user/${alice.userId}/account_data/m.direct`, { [bob.userId]: [roomId] });
    const one = await slide(alice, first(1));
    expect(one.rooms[roomId]).toMatchObject({ heroes: [{ user_id: bob.userId, displayname: 'Bob' }], is_dm: true, joined_count: 2 });
    await alice.request('PUT', `/v3/user/${alice.userId}/account_data/m.direct`, {});
    const two = await slide(alice, first(1), { pos: one.pos, ...wait });
    expect(two.rooms[roomId].is_dm).toBe(false);
  });

  it('show beside events what relates to them', async () => {
    const alice = await person();
    const roomId = await createRoom(alice);
    const root = await say(alice, roomId, 'root');
    const reply = { body: 'reply', msgtype: 'm.text', 'm.relates_to': { rel_type: 'm.thread', event_id: root } };
    await alice.request('PUT', `/v3/rooms/${roomId}/send/m.room.message/${alice.nextTxn()}`, reply);
    const { rooms } = await slide(alice, first(1));
    expect(rooms[roomId].timeline.find((event: Json) => event.event_id === root).unsigned['m.relations']['m.thread']).toMatchObject({ count: 1 });
  });

  it('count what is unread', async () => {
    const [alice, bob] = [await person(), await person()];
    const roomId = await roomWith(alice, bob);
    const one = await slide(alice, first(1));
    await say(bob, roomId, 'hello');
    await say(bob, roomId, `look, ${alice.userId}`);
    const two = await slide(alice, first(1), { pos: one.pos });
    expect(two.rooms[roomId]).toMatchObject({ notification_count: 2, num_live: 2 });
  });
});

describe('what nobody may see', () => {
  it('is in no answer: other rooms, what was before a join, what came after a leave', async () => {
    const [alice, bob] = [await person(), await person()];
    const closed = await createRoom(bob);
    const joined = await createRoom(bob, {
      preset: 'public_chat', initial_state: [{ type: 'm.room.history_visibility', state_key: '', content: { history_visibility: 'joined' } }],
    });
    await say(bob, joined, 'before');
    await join(alice, joined);
    await say(bob, joined, 'during');
    const subscribed = { room_subscriptions: Object.fromEntries([closed, joined].map((id) => [id, { required_state: [['*', '*']], timeline_limit: 50 }])) };
    const one = await slide(alice, { ...subscribed, room_subscriptions: { ...subscribed.room_subscriptions, [joined]: { required_state: [], timeline_limit: 1 } } });
    expect(Object.keys(one.rooms)).toEqual([joined]);
    const two = await slide(alice, subscribed, { pos: one.pos });
    expect(texts(two.rooms[joined])).toEqual(['during']);
    await leave(alice, joined);
    await say(bob, joined, 'after');
    const three = await slide(alice, subscribed, { pos: two.pos });
    expect(JSON.stringify(three)).not.toContain('"after"');
    expect(JSON.stringify(three)).not.toContain('"before"');
  });
});

it('refuses what is no request', async () => {
  const alice = await person();
  const path = '/unstable/org.matrix.simplified_msc3575/sync';
  await alice.expectError(400, 'M_BAD_JSON', 'POST', path, { lists: { all: { ranges: [[0, -1]], timeline_limit: 1 } } });
  await alice.expectError(400, 'M_BAD_JSON', 'POST', path, { lists: 3 });
  await alice.expectError(400, 'M_INVALID_PARAM', 'POST', '/v4/sync', { set_presence: 'asleep' });
  const list = { required_state: {}, timeline_limit: 1 };
  await alice.expectError(400, 'M_INVALID_PARAM', 'POST', '/v4/sync', { lists: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`l${i}`, list])) });
  await alice.expectError(400, 'M_INVALID_PARAM', 'POST', '/v4/sync', { room_subscriptions: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`!r${i}:a`, list])) });
  const elements = (from: number): Json => ({ timeline_limit: 1, required_state: { include: Array.from({ length: 200 }, (_, i) => ({ type: `t${from + i}` })) } });
  const lists = (difference: number): Json => ({ lists: Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`l${i}`, elements(difference * i)])) });
  await alice.expectError(400, 'M_INVALID_PARAM', 'POST', '/v4/sync', lists(1));
  await slide4(alice, lists(0));
  await alice.expectError(401, 'M_MISSING_TOKEN', 'POST', path, {}, { anonymous: true });
});
