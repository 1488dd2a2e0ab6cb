import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { RelatingRoom } from '../network/relating.js';
import { allPages } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { twoHomes } from './two-homes.js';

// What relates to which follows from the events that a home has (docs/protocol.md §4).
let net: Network;
let a: TestServer;
let b: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b] = net.servers as [TestServer, TestServer];
}, 90_000);
afterAll(() => net?.stop());

const told = async (room: RelatingRoom, client: TestClient, root: string): Promise<Json> => ({
  beside: essence((await room.event(client, root)).unsigned['m.relations']),
  relations: (await room.relations(client, root, '', { recurse: true })).chunk.map((event: Json) => event.event_id).sort(),
  threads: (await room.threads(client)).chunk.map((event: Json) => event.event_id),
});
const essence = (relations: Json) => ({
  edit: relations?.['m.replace']?.event_id, latest: relations?.['m.thread']?.latest_event.event_id, count: relations?.['m.thread']?.count,
  participated: relations?.['m.thread']?.current_user_participated, references: relations?.['m.reference']?.chunk,
});

/** Waits until a client is told so, of history that its server has to fetch as well. */
const isTold = (room: RelatingRoom, client: TestClient, root: string, expected: Json): Promise<unknown> => eventually(async () => {
  await allPages(client, room.roomId, { dir: 'b', limit: 5 });
  expect(await told(room, client, root)).toEqual(expected);
  return true;
}, 60_000);

it('edits, threads and reactions of before and after a second home came are told by it, with the first one dead', async () => {
  const bob = await net.client('c').register('bob');
  const alice = await twoHomes('alice', a, b);
  const first = alice.at(a);
  const room = await RelatingRoom.create(first, { room_version: 'io.partyline.1' });
  await bob.request('POST', `/v3/join/${encodeURIComponent(room.roomId)}`, {}, { query: { via: a.name } });
  const root = await room.say(first, 'root');
  await eventually(async () => (await bob.raw('GET', `${room.path}/event/${encodeURIComponent(root)}`)).status === 200);
  const reply = await room.reply(bob, root, 'reply');
  await room.react(bob, reply, '👍');
  await room.edit(first, root, 'edited');
  const undone = await room.reply(first, root, 'undone');
  await room.redact(first, undone);
  await room.say(first, 'about', { rel_type: 'm.reference', event_id: root });
  const expected = await eventually(async () => {
    const now = await told(room, first, root);
    return now.relations.length === 4 && now.beside.count === 1 && now;
  }, 30_000);
  expect(expected).toMatchObject({ beside: { edit: expect.any(String), latest: reply, participated: true, references: [expect.anything()] }, threads: [root] });
  await isTold(room, alice.at(b), root, expected);
  await a.stop();
  expect(await told(room, alice.at(b), root)).toEqual(expected);
  const later = await room.reply(alice.at(b), root, 'later');
  expect((await told(room, alice.at(b), root)).beside).toMatchObject({ latest: later, count: 2 });
  await eventually(async () => (await told(room, bob, root)).beside.latest === later, 30_000);
  await a.start();
}, 120_000);

it('a server that comes late knows them of the history that it fetches', async () => {
  const host = await net.client('a').register('host');
  const room = await RelatingRoom.create(host);
  const root = await room.say(host, 'root');
  await room.reply(host, root, 'reply');
  await room.edit(host, root, 'edited');
  const undone = await room.react(host, root, '👍');
  await room.redact(host, undone);
  const expected = await told(room, host, root);
  const guest = await net.client('c').register('guest');
  await guest.request('POST', `/v3/join/${encodeURIComponent(room.roomId)}`, {}, { query: { via: a.name } });
  await isTold(room, guest, root, { ...expected, beside: { ...expected.beside, participated: false } });
}, 120_000);
