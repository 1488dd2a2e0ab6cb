import { jest } from '@jest/globals';
import { Database } from '../../apps/homeserver/src/storage/database.js';
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

const beside = async (client: TestClient, eventId = root): Promise<Json> => (await room.event(client, eventId)).unsigned['m.relations'];
const ignore = (client: TestClient, ...users: TestClient[]) => client.request('PUT', `/v3/user/${client.userId}/account_data/m.ignored_user_list`, {
  ignored_users: Object.fromEntries(users.map(({ userId }) => [userId, {}])),
});

describe('edits', () => {
  it('stand beside the event, the latest one', async () => {
    await room.edit(alice, root, 'second');
    const last = await room.edit(alice, root, 'third');
    expect(await beside(bob)).toEqual({
      'm.replace': expect.objectContaining({ event_id: last, sender: alice.userId, type: 'm.room.message', content: expect.objectContaining({ 'm.new_content': { msgtype: 'm.text', body: 'third' } }) }),
    });
    expect((await room.event(bob, root)).content.body).toBe('first');
  });

  it('are those of the sender that are of the same type and have a new content', async () => {
    await room.edit(bob, root, 'of another');
    await room.say(alice, 'nothing new', { rel_type: 'm.replace', event_id: root });
    await room.send(alice, 'm.sticker', { body: 'x', 'm.relates_to': { rel_type: 'm.replace', event_id: root }, 'm.new_content': { body: 'x' } });
    expect(await beside(bob)).toBeUndefined();
  });

  it('of edits count for nothing', async () => {
    const edit = await room.edit(alice, root, 'second');
    await room.edit(alice, edit, 'third');
    expect(await beside(bob, edit)).toBeUndefined();
    expect((await beside(bob))['m.replace'].event_id).toBe(edit);
  });

  it('end with a redaction, of the edit or of the event', async () => {
    const first = await room.edit(alice, root, 'second');
    const second = await room.edit(alice, root, 'third');
    await room.redact(alice, second);
    expect((await beside(bob))['m.replace'].event_id).toBe(first);
    await room.redact(alice, root);
    expect(await beside(bob)).toBeUndefined();
    expect((await room.relations(bob, root, '/m.replace')).chunk).toEqual([]);
  });
});

describe('threads', () => {
  it('are counted, with the newest reply and whether one takes part', async () => {
    await room.reply(alice, root, 'one');
    const last = await room.reply(bob, root, 'two');
    const thread = { count: 2, current_user_participated: true, latest_event: expect.objectContaining({ event_id: last, sender: bob.userId }) };
    expect(await beside(alice)).toEqual({ 'm.thread': thread });
    expect(await beside(bob)).toEqual({ 'm.thread': thread });
    const carol = await net.client().register(`carol-${Date.now()}`);
    await room.join(carol);
    expect((await beside(carol))['m.thread'].current_user_participated).toBe(false);
  });

  it('have the edit of the newest reply in it', async () => {
    const reply = await room.reply(alice, root, 'one');
    const edit = await room.edit(alice, reply, 'better');
    expect((await beside(bob))['m.thread'].latest_event.unsigned['m.relations']['m.replace'].event_id).toBe(edit);
  });

  it('lose redacted replies, and end with the last one', async () => {
    const [first, second] = [await room.reply(alice, root, 'one'), await room.reply(alice, root, 'two')];
    await room.redact(alice, second);
    expect((await beside(bob))['m.thread']).toMatchObject({ count: 1, latest_event: { event_id: first } });
    await room.redact(alice, first);
    expect(await beside(bob)).toBeUndefined();
  });

  it('stay when the event with which they begin is redacted', async () => {
    const reply = await room.reply(bob, root, 'one');
    await room.redact(alice, root);
    expect((await beside(bob))['m.thread']).toMatchObject({ count: 1, latest_event: { event_id: reply } });
  });

  it('do not count who is ignored', async () => {
    const first = await room.reply(alice, root, 'one');
    await room.reply(bob, root, 'two');
    await ignore(alice, bob);
    expect((await beside(alice))['m.thread']).toMatchObject({ count: 1, latest_event: { event_id: first } });
    expect((await beside(bob))['m.thread'].count).toBe(2);
    await ignore(alice);
    expect((await beside(alice))['m.thread'].count).toBe(2);
  });
});

it('tells references, and no annotations', async () => {
  const ids = [await room.say(bob, 'a', { rel_type: 'm.reference', event_id: root }), await room.say(alice, 'b', { rel_type: 'm.reference', event_id: root })];
  await room.react(bob, root, '👍');
  expect(await beside(bob)).toEqual({ 'm.reference': { chunk: ids.map((eventId) => ({ event_id: eventId })) } });
});

it('tells the same in every answer that shows the event', async () => {
  const reply = await room.reply(bob, root, 'one');
  const edit = await room.edit(alice, root, 'second');
  const shown: Json[] = [];
  const { rooms } = await bob.request('GET', '/v3/sync', undefined, { query: { filter: JSON.stringify({ room: { timeline: { limit: 20 } } }) } });
  shown.push(...rooms.join[room.roomId].timeline.events);
  shown.push(...(await bob.request('GET', `${room.path}/messages`, undefined, { query: { dir: 'b', limit: 10 } })).chunk);
  const around = await bob.request('GET', `${room.path}/context/${encodeURIComponent(reply)}`);
  shown.push(...around.events_before, (await bob.request('GET', `${room.path}/context/${encodeURIComponent(root)}`)).event, ...(await room.threads(bob)).chunk);
  shown.push(...(await bob.request('GET', '/v3/initialSync', undefined, { query: { limit: 20 } })).rooms.find((one: Json) => one.room_id === room.roomId).messages.chunk);
  const of = shown.filter((event) => event.event_id === root).map((event) => event.unsigned['m.relations']);
  expect(of).toHaveLength(6);
  for (const relations of of) {
    expect(relations).toMatchObject({ 'm.replace': { event_id: edit }, 'm.thread': { count: 1, latest_event: { event_id: reply } } });
  }
});

it('shows who left nothing of later', async () => {
  const edit = await room.edit(alice, root, 'second');
  const reply = await room.reply(alice, root, 'one');
  await bob.request('POST', `${room.path}/leave`, {});
  await room.edit(alice, root, 'secret');
  await room.reply(alice, root, 'secret');
  const known = { 'm.replace': { event_id: edit }, 'm.thread': { count: 1, latest_event: { event_id: reply } } };
  expect(await beside(bob)).toMatchObject(known);
  const filter = JSON.stringify({ room: { include_leave: true, timeline: { limit: 20 } } });
  const { timeline } = (await bob.request('GET', '/v3/sync', undefined, { query: { filter } })).rooms.leave[room.roomId];
  expect(timeline.events.find((event: Json) => event.event_id === root).unsigned['m.relations']).toMatchObject(known);
  expect((await room.relations(bob, root)).chunk.map((event: Json) => event.event_id)).toEqual([reply, edit]);
  await bob.request('POST', `${room.path}/join`, {});
  expect((await beside(bob))['m.thread'].count).toBe(2);
});

it('shows who was away nothing of meanwhile, where the room hides it', async () => {
  await alice.request('PUT', `${room.path}/state/m.room.history_visibility`, { history_visibility: 'joined' });
  const target = await room.say(alice, 'seen');
  await bob.request('POST', `${room.path}/leave`, {});
  await room.reply(alice, target, 'unseen');
  await room.edit(alice, target, 'unseen');
  await room.join(bob);
  expect(await beside(bob, target)).toBeUndefined();
  const reply = await room.reply(alice, target, 'seen');
  expect(await beside(bob, target)).toMatchObject({ 'm.thread': { count: 1, latest_event: { event_id: reply } } });
  expect((await beside(alice, target))['m.thread'].count).toBe(2);
});

it('asks the database for nothing where nothing but reactions relate to events', async () => {
  const queries = jest.spyOn(net.server('a').get(Database), 'query');
  const asked = () => queries.mock.calls.filter(([sql]) => sql.name.startsWith('relations.')).length;
  try {
    const reaction = await room.react(bob, root, '👍');
    for (let i = 0; i < 5; i++) await room.say(alice, `${i}`);
    const page = (limit: number) => bob.request('GET', `${room.path}/messages`, undefined, { query: { dir: 'b', limit } });
    await page(10);
    await bob.request('GET', '/v3/sync', undefined, { query: { filter: JSON.stringify({ room: { rooms: [room.roomId], timeline: { limit: 10 } } }) } });
    await room.event(bob, reaction);
    expect(asked()).toBe(0);
    await room.reply(alice, root, 'reply');
    await page(10);
    expect(asked()).toBe(3);
  } finally {
    queries.mockRestore();
  }
});
