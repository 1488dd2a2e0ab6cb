import { ResumeStore } from '../../apps/homeserver/src/homes/resume/resume.store.js';
import { RoomResumes } from '../../apps/homeserver/src/homes/resume/room-resumes.js';
import { StreamPositions } from '../../apps/homeserver/src/storage/stream-positions.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

const room = (roomId: string) => `/v3/rooms/${encodeURIComponent(roomId)}`;
const say = async (client: TestClient, roomId: string, body: string, query = {}): Promise<string> =>
  (await client.request('PUT', `${room(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' }, { query })).event_id;
const sync = (client: TestClient, since?: string): Promise<Json> =>
  client.request('GET', '/v3/sync', undefined, { query: { since, 'io.partyline.frontier': true, timeout: 0 } });
const textsIn = (answer: Json, roomId: string): string[] =>
  (answer.rooms?.join?.[roomId]?.timeline.events ?? []).flatMap((event: Json) => event.content.body ?? []);
const reads = (client: TestClient, roomId: string, text: string) => eventually(async () => {
  const { chunk } = await client.request('GET', `${room(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 30 } });
  return chunk.some((event: Json) => event.content.body === text);
});
const resume = async (client: TestClient, rooms: Record<string, string[]>, account = {}): Promise<string> =>
  (await client.request('POST', `${homesPath}/sync/resume`, { rooms, account })).since;

describe('a client that moves to another home', () => {
  let net: Network;
  let a: TestServer;
  let b: TestServer;
  let c: TestServer;
  let alice: Person;
  let bob: TestClient;
  let roomId: string;

  beforeAll(async () => {
    net = await Network.start({ servers: ['a', 'b', 'c'] });
    [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
    alice = await Person.named('alice', a);
    await alice.addHome(b);
    bob = await net.client(c).register('bob');
    roomId = (await alice.at(a).request('POST', '/v3/createRoom', { room_version: 'io.partyline.1', preset: 'public_chat' })).room_id;
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } });
    await say(alice.at(a), roomId, 'first');
    // The other home follows into rooms that were joined through the first.
    await eventually(async () => (await alice.at(b).request('GET', '/v3/joined_rooms')).joined_rooms.includes(roomId));
    await say(bob, roomId, 'second');
    for (const server of [a, b]) await reads(alice.at(server), roomId, 'second');
  });
  afterAll(() => net.stop());

  it('gets what it has not seen, once, and nothing that it has', async () => {
    const atA = await sync(alice.at(a));
    const frontier: string[] = atA['io.partyline.frontier'][roomId];
    expect(frontier.length).toBeGreaterThan(0);
    await say(bob, roomId, 'third');
    await reads(alice.at(b), roomId, 'third');
    const since = await resume(alice.at(b), { [roomId]: frontier });
    const atB = await sync(alice.at(b), since);
    expect(textsIn(atB, roomId)).toEqual(['third']);
    expect(atB.rooms.join[roomId].timeline.limited).toBe(false);
    expect(textsIn(await sync(alice.at(b), atB.next_batch), roomId)).toEqual([]);
    // Asking again with the newer frontier yields nothing.
    const again = await resume(alice.at(b), { [roomId]: atB['io.partyline.frontier'][roomId] });
    expect(textsIn(await sync(alice.at(b), again), roomId)).toEqual([]);
  });

  it('gets what was said beside or after what it knew', async () => {
    const before = (await sync(alice.at(b)))['io.partyline.frontier'][roomId] as string[];
    const seen = await say(alice.at(a), roomId, 'seen arm');
    await say(bob, roomId, 'other arm');
    for (const server of [a, b]) for (const text of ['seen arm', 'other arm']) await reads(alice.at(server), roomId, text);
    const since = await resume(alice.at(b), { [roomId]: [...before, seen] });
    // Whether the second was made on top of the first or beside it.
    expect(textsIn(await sync(alice.at(b), since), roomId)).toEqual(['other arm']);
  });

  it('loses nothing that is committed while its place is looked up', async () => {
    const frontier: string[] = (await sync(alice.at(b)))['io.partyline.frontier'][roomId];
    const wanted = await say(bob, roomId, 'in time');
    await reads(alice.at(b), roomId, 'in time');
    const to = b.get(StreamPositions).current('events');
    for (const text of ['later', 'later still']) {
      await say(bob, roomId, text);
      await reads(alice.at(b), roomId, text);
    }
    const [ends] = await b.get(ResumeStore).ends([roomId]);
    const { fromPos, exclude } = (await b.get(RoomResumes).find(ends!, frontier, to))!;
    expect(exclude.has(wanted)).toBe(false);
    expect(fromPos).toBeLessThan(to);
  });

  it('gets a room anew of which nothing that it knows is here', async () => {
    const since = await resume(alice.at(b), { [roomId]: ['$unknownunknownunknownunknownunknownunknownun'] });
    const answer = await sync(alice.at(b), since);
    expect(textsIn(answer, roomId)).toContain('other arm');
    expect(answer.rooms.join[roomId].timeline.prev_batch).toBeDefined();
  });

  it('sends a message once, however often it tries at however many homes', async () => {
    const query = { 'io.partyline.txn': 'c2FtZSBhdCBib3RoIGhvbW' };
    const atA = await say(alice.at(a), roomId, 'once only', query);
    await reads(alice.at(b), roomId, 'once only');
    expect(await say(alice.at(b), roomId, 'once only', query)).toBe(atA);
  });

  it('is told the once-only key of a message, by which it knows a twin of another home', async () => {
    const key = 'B4CAfck2qcYPjrKymi13uQ';
    const eventId = await say(alice.at(a), roomId, 'keyed', { 'io.partyline.txn': key });
    const told = (answer: Json): Json => answer.rooms.join[roomId].timeline.events.find((event: Json) => event.event_id === eventId).unsigned;
    expect(told(await sync(alice.at(a)))['io.partyline.txn']).toBe(key);
    const plain = await alice.at(a).request('GET', '/v3/sync');
    expect(told(plain)).not.toHaveProperty('io.partyline.txn');
  });

  it('is told which replicas its home reaches', async () => {
    const reach = await alice.at(b).request('GET', `${homesPath}/rooms/${encodeURIComponent(roomId)}/reach`);
    expect(Object.keys(reach.replicas).sort()).toEqual([a.name, c.name].sort());
    expect(reach.replicas[c.name].last_contact_ts).toEqual(expect.any(Number));
    expect(reach.frontier.length).toBeGreaterThan(0);
    const stranger = await net.client(b).register('stranger');
    await stranger.expectError(403, 'M_FORBIDDEN', 'GET', `${homesPath}/rooms/${encodeURIComponent(roomId)}/reach`);
  });

  it('is refused resume points that are not its own', async () => {
    const since = await resume(alice.at(b), {});
    const mallory = await net.client(b).register('mallory');
    await mallory.expectError(400, 'M_UNKNOWN_POS', 'GET', '/v3/sync', undefined, { query: { since } });
    await alice.at(b).expectError(400, 'M_BAD_JSON', 'POST', `${homesPath}/sync/resume`, { rooms: { nonsense: ['$a'] } });
  });
});
