import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

// Who comes into a room, leaves it and comes again: what each answer of /sync shows him, and what his client then holds.
let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

let users = 0;
const user = () => net.client().register(`user${++users}`);
const createRoom = async (client: TestClient, visibility = 'shared'): Promise<string> => (await client.request('POST', '/v3/createRoom', {
  preset: 'public_chat', initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: visibility } }],
})).room_id;
const say = (client: TestClient, roomId: string, body: string) =>
  client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' });
const join = (client: TestClient, roomId: string) => client.request('POST', `${roomPath(roomId)}/join`, {});
const leave = (client: TestClient, roomId: string) => client.request('POST', `${roomPath(roomId)}/leave`, {});
const setVisibility = (client: TestClient, roomId: string, value: string) =>
  client.request('PUT', `${roomPath(roomId)}/state/m.room.history_visibility/`, { history_visibility: value });
const sync = (client: TestClient, since?: string, room: Json = {}): Promise<Json> =>
  client.request('GET', '/v3/sync', undefined, { query: { since, filter: JSON.stringify({ room }) } });
const bodies = (section: Json): string[] => section.timeline.events.flatMap((event: Json) => event.content.body ?? []);

describe('somebody who comes into a room', () => {
  it('sees nothing from while it was closed, though others read the room before', async () => {
    const [alice, bob, carol] = [await user(), await user(), await user()];
    const roomId = await createRoom(alice);
    await say(alice, roomId, 'open');
    await join(bob, roomId);
    // The first one reads the end of the room into memory, the second one its visibility.
    for (let i = 0; i < 2; i++) expect(bodies((await sync(bob)).rooms.join[roomId])).toEqual(['open']);
    await setVisibility(alice, roomId, 'joined');
    await say(alice, roomId, 'secret');
    await join(carol, roomId);
    expect(bodies((await sync(carol)).rooms.join[roomId])).toEqual(['open']);
  });

  it('sees the rest, when it was opened meanwhile', async () => {
    const [alice, bob, carol] = [await user(), await user(), await user()];
    const roomId = await createRoom(alice, 'joined');
    await join(bob, roomId);
    for (let i = 0; i < 2; i++) await sync(bob);
    await setVisibility(alice, roomId, 'shared');
    await say(alice, roomId, 'open');
    await join(carol, roomId);
    expect(bodies((await sync(carol)).rooms.join[roomId])).toEqual(['open']);
  });

  it('and has left between two syncs gets a timeline that begins anew', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice);
    await join(bob, roomId);
    for (const text of ['one', 'two']) await say(alice, roomId, text);
    await sync(bob);
    await leave(bob, roomId);
    const { next_batch: since } = await sync(bob);
    await say(alice, roomId, 'three');
    await join(bob, roomId);
    await say(alice, roomId, 'four');
    await leave(bob, roomId);
    const section = (await sync(bob, since, { timeline: { limit: 50 } })).rooms.leave[roomId];
    expect(bodies(section).slice(-2)).toEqual(['three', 'four']);
    expect(section.timeline.limited).toBe(true);
  });

  it('again gets the members that have changed meanwhile, when he loads them lazily', async () => {
    const [alice, bob, carol, dan] = [await user(), await user(), await user(), await user()];
    const roomId = await createRoom(alice);
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.name/`, { name: 'A name, so that nobody is sent for it' });
    const lazy = { state: { lazy_load_members: true }, timeline: { limit: 4 } };
    for (const client of [carol, dan, bob]) await join(client, roomId);
    for (const client of [carol, dan]) await say(client, roomId, 'hello');
    const first = await sync(bob, undefined, lazy);
    const members = (section: Json) => [...section.state.events, ...section.timeline.events]
      .filter((event: Json) => event.type === 'm.room.member').map((event: Json) => [event.state_key, event.content.membership]);
    expect(members(first.rooms.join[roomId])).toContainEqual([carol.userId, 'join']);
    await leave(bob, roomId);
    const { next_batch: since } = await sync(bob, first.next_batch, lazy);
    await leave(carol, roomId);
    for (const text of ['one', 'two', 'three', 'four']) await say(alice, roomId, text);
    await join(bob, roomId);
    const section = (await sync(bob, since, lazy)).rooms.join[roomId];
    expect(members(section)).toContainEqual([carol.userId, 'leave']);
    expect(members(section)).not.toContainEqual([dan.userId, 'join']);
  });
});

it('unread counts begin anew with the reader, when he leaves and comes again', async () => {
  const [alice, bob] = [await user(), await user()];
  const roomId = await createRoom(alice);
  await join(bob, roomId);
  await say(alice, roomId, 'one');
  const counted = async (since?: string) => (await sync(bob, since)).rooms.join[roomId].unread_notifications.notification_count;
  expect(await counted()).toBe(1);
  await leave(bob, roomId);
  await say(alice, roomId, 'two');
  await join(bob, roomId);
  expect(await counted()).toBe(0);
  await say(alice, roomId, 'three');
  expect(await counted()).toBe(1);
});
