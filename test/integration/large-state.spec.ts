import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import { createRoom, find, join, setState, stateOf, sync } from './sync-talk.js';

// Of large state events a server keeps a part in memory. Whoever asks for them gets them whole, from wherever they come.
const LARGE = 'x'.repeat(50_000);

let net: Network;
let [alice, bob] = [undefined as unknown as TestClient, undefined as unknown as TestClient];
let roomId: string;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [alice, bob] = [await net.client('a').register('alice'), await net.client('b').register('bob')];
  roomId = await createRoom(alice, { preset: 'public_chat' });
  for (let i = 0; i < 60; i++) await setState(alice, roomId, 'org.example.heavy', { i, pad: LARGE }, `k${i}`);
  await setState(alice, roomId, 'm.room.member', { membership: 'join', displayname: 'Alice', pad: LARGE }, alice.userId);
}, 120_000);
afterAll(() => net?.stop());

const contents = (events: Json[]) => new Map(events.filter((event) => event.type === 'org.example.heavy').map((event) => [event.state_key, event.content]));
const all = new Map(Array.from({ length: 60 }, (_, i) => [`k${i}`, { i, pad: LARGE }]));

async function isWhole(client: TestClient): Promise<void> {
  expect(contents(await client.request('GET', `${roomPath(roomId)}/state`))).toEqual(all);
  expect(await client.request('GET', `${roomPath(roomId)}/state/org.example.heavy/k7`)).toEqual({ i: 7, pad: LARGE });
  const { joined } = await client.request('GET', `${roomPath(roomId)}/joined_members`);
  expect(joined[alice.userId].display_name).toBe('Alice');
  const { chunk } = await client.request('GET', `${roomPath(roomId)}/members`);
  expect(find(chunk, 'm.room.member', alice.userId).content).toEqual({ membership: 'join', displayname: 'Alice', pad: LARGE });
  const room = (await sync(client)).rooms.join[roomId];
  expect(contents([...room.state.events, ...room.timeline.events])).toEqual(all);
}

describe('large state', () => {
  it('is whole for who reads it', () => isWhole(alice), 60_000);

  it('is whole for who joins from another server, and after a restart', async () => {
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
    await isWhole(bob);
    for (const label of ['a', 'b']) {
      await net.server(label).stop();
      await net.server(label).start();
    }
    await isWhole(alice);
    await isWhole(bob);
  }, 120_000);

  it('that is there already is not sent again, and is replaced by what differs', async () => {
    const first = await setState(alice, roomId, 'org.example.again', { pad: LARGE });
    expect(await setState(alice, roomId, 'org.example.again', { pad: LARGE })).toEqual(first);
    expect((await setState(alice, roomId, 'org.example.again', { pad: `${LARGE}y` })).event_id).not.toBe(first.event_id);
  });

  it('can be redacted', async () => {
    const { event_id: eventId } = await setState(alice, roomId, 'org.example.secret', { pad: LARGE });
    await alice.request('PUT', `${roomPath(roomId)}/redact/${encodeURIComponent(eventId)}/r1`, {});
    expect(await alice.request('GET', `${roomPath(roomId)}/state/org.example.secret`)).toEqual({});
    const room = (await sync(alice)).rooms.join[roomId];
    expect((stateOf(room, 'org.example.secret') ?? find(room.timeline.events, 'org.example.secret', '')).content).toEqual({});
  });

  it('counts for who is a member, whatever stands in the event beside that', async () => {
    const carol = await net.client('b').register('carol');
    await carol.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
    await setState(carol, roomId, 'm.room.member', { membership: 'join', displayname: 'Carol', pad: LARGE }, carol.userId);
    await carol.request('PUT', `${roomPath(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'hello' });
    const reason = 'r'.repeat(4_096);
    await alice.request('POST', `${roomPath(roomId)}/ban`, { user_id: carol.userId, reason });
    const dave = await net.client('a').register('dave');
    await join(dave, roomId);
    expect(find(await dave.request('GET', `${roomPath(roomId)}/state`), 'm.room.member', carol.userId).content).toEqual({ membership: 'ban', reason });
    await alice.request('POST', `${roomPath(roomId)}/unban`, { user_id: carol.userId });
  }, 60_000);
});
