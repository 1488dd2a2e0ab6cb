import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { RelatingRoom } from '../network/relating.js';
import { allPages, roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { join } from './talk.js';
import { twoHomes } from './two-homes.js';

// A server that came into a room later knows neither visibility nor members of before it came, and must not take that for an open past.
let net: Network;
let a: TestServer;
let b: TestServer;
let alice: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  alice = await net.client('a').register('alice');
}, 90_000);
afterAll(() => net?.stop());

const closedFrom = (visibility: string): object => ({
  preset: 'public_chat', initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: visibility } }],
});
const ids = (events: readonly Json[]): string[] => events.map((event) => event.event_id);
const memberPath = (roomId: string, { userId }: TestClient): string => `${roomPath(roomId)}/state/m.room.member/${encodeURIComponent(userId)}`;

it.each(['invited', 'joined', 'shared'])('the event by which a server came into a room is as %s as the room was', async (visibility) => {
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', closedFrom(visibility));
  const [erin, dan] = [await net.client('b').register(`erin-${visibility}`), await net.client('b').register(`dan-${visibility}`)];
  await join(erin, roomId, a);
  const [first] = (await allPages(erin, roomId, { dir: 'b', limit: 50 })).events.filter((event) => event.state_key === erin.userId);
  // So that the first event is not shown as the room's state.
  await erin.request('PUT', memberPath(roomId, erin), { membership: 'join', displayname: 'Erin' });
  await join(dan, roomId, b);
  const [shown, slid] = [
    (await dan.request('GET', '/v3/sync', undefined, { query: { filter: '{"room":{"timeline":{"limit":50}}}' } })).rooms.join[roomId].timeline.events,
    (await dan.request('POST', '/v4/sync', { lists: { all: { range: [0, 9], required_state: {}, timeline_limit: 50 } } })).rooms[roomId].timeline,
  ];
  for (const events of [shown, slid]) {
    expect(ids(events).includes(first.event_id)).toBe(visibility === 'shared');
    expect(events.at(-1)).toMatchObject({ type: 'm.room.member', state_key: dan.userId });
  }
});

it('nothing is told beside an event of what was hidden before the server came', async () => {
  const pat = await twoHomes('pat', a, b);
  const room = await RelatingRoom.create(alice, { room_version: 'io.partyline.1', ...closedFrom('shared') });
  const root = await room.say(alice, 'seen');
  await alice.request('PUT', `${room.path}/state/m.room.history_visibility`, { history_visibility: 'joined' });
  await join(pat.at(a), room.roomId, a);
  const edit = await room.edit(alice, root, 'hidden');
  const beside = async (client: TestClient): Promise<Json> => (await room.event(client, root)).unsigned['m.relations']?.['m.replace']?.event_id;
  expect(await beside(pat.at(a))).toBe(edit);
  const dan = await net.client('b').register('dan');
  await eventually(async () => (await dan.raw('POST', `/v3/join/${encodeURIComponent(room.roomId)}?via=${b.name}`, {})).status === 200);
  const pages = (client: TestClient) => allPages(client, room.roomId, { dir: 'b', limit: 50 });
  await eventually(async () => ids((await pages(pat.at(b))).events).includes(edit), 20_000);
  expect(ids((await pages(dan)).events)).toContain(root);
  expect(ids((await pages(dan)).events)).not.toContain(edit);
  expect(await beside(dan)).toBeUndefined();
});
