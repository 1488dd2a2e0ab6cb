import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
beforeAll(async () => {
  net = await Network.start();
  alice = await net.client().register('alice');
  bob = await net.client().register('bob');
});
afterAll(() => net.stop());

const createRoom = async (body: object = {}): Promise<string> => (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', ...body })).room_id;
const join = (client: TestClient, roomId: string) => client.request('POST', `${roomPath(roomId)}/join`, {});
const say = (client: TestClient, roomId: string, body: string) =>
  client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' });
const events = (client: TestClient, query: Record<string, string | number> = {}): Promise<Json> =>
  client.request('GET', '/v3/events', undefined, { query: { timeout: 0, ...query } });
const bodies = (list: Json[]): string[] => list.flatMap((event) => event.content?.body ?? []);

describe('GET /events', () => {
  it('tells what is new since the answer before, of all rooms', async () => {
    const [one, two] = [await createRoom(), await createRoom()];
    const { end, chunk } = await events(alice);
    expect(bodies(chunk)).toEqual([]);
    await say(alice, one, 'in one');
    await say(alice, two, 'in two');
    const next = await events(alice, { from: end });
    expect(next.start).toBe(end);
    expect(next.chunk.filter((event: Json) => event.type === 'm.room.message').map((event: Json) => [event.room_id, event.content.body]).sort())
      .toEqual([[one, 'in one'], [two, 'in two']].sort());
    expect((await events(alice, { from: next.end })).chunk).toEqual([]);
  });

  it('waits for news, and tells of a room that is entered from the join on', async () => {
    const roomId = await createRoom();
    await say(alice, roomId, 'before');
    const { end } = await events(bob);
    const waiting = events(bob, { from: end, timeout: 30_000 });
    await join(bob, roomId);
    const { chunk } = await waiting;
    expect(chunk.filter((event: Json) => event.room_id === roomId).map((event: Json) => [event.type, event.state_key])).toEqual([['m.room.member', bob.userId]]);
  });

  it('leaves messages to the device for /sync', async () => {
    const { end } = await events(bob);
    await alice.request('PUT', `/v3/sendToDevice/x.test/${alice.nextTxn()}`, { messages: { [bob.userId]: { [bob.deviceId]: { a: 1 } } } });
    await events(bob, { from: end });
    expect((await bob.request('GET', '/v3/sync')).to_device.events).toMatchObject([{ type: 'x.test', content: { a: 1 } }]);
  });

  it('shows rooms that are open to the world to those who are not in them, and no others', async () => {
    const [open, closed] = [await createRoom(), await createRoom()];
    await alice.request('PUT', `${roomPath(open)}/state/m.room.history_visibility/`, { history_visibility: 'world_readable' });
    const { end } = await events(bob, { room_id: open });
    const waiting = events(bob, { room_id: open, from: end, timeout: 30_000 });
    await say(alice, closed, 'hidden');
    await say(alice, open, 'seen');
    const { chunk } = await waiting;
    expect(bodies(chunk)).toEqual(['seen']);
    await bob.expectError(403, 'M_FORBIDDEN', 'GET', `/v3/events?room_id=${encodeURIComponent(closed)}`);
  });
});

it('GET /events/{eventId} shows an event to those who may see it', async () => {
  const roomId = await createRoom();
  const { event_id: eventId } = await say(alice, roomId, 'here');
  const path = `/v3/events/${encodeURIComponent(eventId)}`;
  expect(await alice.request('GET', path)).toMatchObject({ event_id: eventId, room_id: roomId, content: { body: 'here' } });
  await bob.expectError(404, 'M_NOT_FOUND', 'GET', path);
  await alice.expectError(404, 'M_NOT_FOUND', 'GET', '/v3/events/%24none');
});

describe('initial synchronisation of old', () => {
  it('holds the rooms with their newest events, state and tags', async () => {
    const carol = await net.client().register('carol');
    const roomId = await createRoom({ name: 'Club', invite: [carol.userId] });
    const other = await createRoom({ invite: [carol.userId] });
    await join(carol, roomId);
    for (const body of ['a', 'b', 'c']) await say(alice, roomId, body);
    await carol.request('PUT', `/v3/user/${encodeURIComponent(carol.userId)}/rooms/${encodeURIComponent(roomId)}/tags/u.x`, {});
    const { rooms, end } = await carol.request('GET', '/v3/initialSync', undefined, { query: { limit: 2 } });
    const club = rooms.find((one: Json) => one.room_id === roomId);
    expect(club).toMatchObject({ membership: 'join', account_data: [{ type: 'm.tag', content: { tags: { 'u.x': {} } } }] });
    expect(bodies(club.messages.chunk)).toEqual(['b', 'c']);
    expect(club.state.find((event: Json) => event.type === 'm.room.name')).toMatchObject({ room_id: roomId, content: { name: 'Club' } });
    expect(rooms.find((one: Json) => one.room_id === other)).toMatchObject({ membership: 'invite', inviter: alice.userId });
    await say(alice, roomId, 'd');
    expect(bodies((await events(carol, { from: end })).chunk)).toEqual(['d']);
  });

  it('of one room is for those who may look into it', async () => {
    const roomId = await createRoom({ name: 'Club' });
    for (const body of ['a', 'b', 'c']) await say(alice, roomId, body);
    const path = `${roomPath(roomId)}/initialSync`;
    const seen = await alice.request('GET', path, undefined, { query: { limit: 2 } });
    expect(seen).toMatchObject({ room_id: roomId, membership: 'join' });
    expect(bodies(seen.messages.chunk)).toEqual(['b', 'c']);
    const older = await alice.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', from: seen.messages.start, limit: 1 } });
    expect(bodies(older.chunk)).toEqual(['a']);
    expect((await alice.request('GET', path, undefined, { query: { limit: 0 } })).messages.chunk).toEqual([]);
    await bob.expectError(403, 'M_FORBIDDEN', 'GET', path);
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.history_visibility/`, { history_visibility: 'world_readable' });
    const outside = await bob.request('GET', path);
    expect(outside.state.some((event: Json) => event.type === 'm.room.name')).toBe(true);
    expect(outside).not.toHaveProperty('membership');
    expect(outside.visibility).toBe('private');
    const { room_id: listed } = await alice.request('POST', '/v3/createRoom', { visibility: 'public' });
    expect((await alice.request('GET', `${roomPath(listed)}/initialSync`)).visibility).toBe('public');
    const { rooms } = await alice.request('GET', '/v3/initialSync');
    expect(Object.fromEntries(rooms.map((one: Json) => [one.room_id, one.visibility]))).toMatchObject({ [listed]: 'public', [roomId]: 'private' });
  });
});
