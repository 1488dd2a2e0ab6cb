import { recordHash } from '../../libs/federation/src/index.js';
import { RoomTellings } from '../../apps/homeserver/src/homes/attach/room-tellings.js';
import { RoomTellingsStore } from '../../apps/homeserver/src/homes/attach/room-tellings.store.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { HostilePerson } from '../hostile/hostile-person.js';
import { HostileRoom } from '../hostile/hostile-room.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { within } from '../network/within.js';
import { createRoom, isIn, join, state } from './talk.js';
import { isComplete, twoHomes } from './two-homes.js';

// Who has to know of a record is told of it, whoever stops in between (protocol §2, "Telling and asking").
let net: Network;
let a: TestServer;
let b: TestServer;
let c: TestServer;
let count = 0;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
}, 90_000);
afterAll(() => net?.stop());
afterEach(() => Promise.all([a, b, c].map((server) => server.start())));

const knows = (person: Person, server: TestServer): Promise<unknown> =>
  eventually(async () => recordHash(await person.at(server).request('GET', `${homesPath}/account/record`)) === recordHash(person.record), 20_000);

/** Publishes a record at A until that says that the other home has it; it waits for a second each time. */
const isTold = (person: Person, record: Person['record'], other: TestServer): Promise<unknown> => eventually(async () => {
  const told = await person.publish(record, a);
  expect(told).toContain(a.name);
  return told.includes(other.name);
}, 20_000);

/** Member events of the person in the room, as the server of the client has them. */
async function memberEvents(client: TestClient, roomId: string, userId: string): Promise<number> {
  const filter = JSON.stringify({ types: ['m.room.member'] });
  const { chunk } = await client.request('GET', `/v3/rooms/${encodeURIComponent(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 100, filter } });
  return chunk.filter((event: Json) => event.state_key === userId).length;
}

it('tells all rooms, although the server that took the record dies right after its answer', async () => {
  const alice = await twoHomes(`told${++count}`, a, b);
  const bob = await net.client(c).register(`bob${count}`);
  const rooms: string[] = [];
  for (let i = 0; i < 8; i++) {
    const roomId = await createRoom(alice.at(a));
    await join(bob, roomId, a);
    rooms.push(roomId);
  }
  for (const roomId of rooms) await isIn(alice.at(b), roomId);
  await isComplete(alice, b);
  await b.stop();
  await alice.publish(alice.next({ drop: [b.name] }), a);
  await a.crash();
  await a.start();
  for (const roomId of rooms) {
    await eventually(async () => (await state(bob, roomId, 'm.room.member', alice.userId)).home_record.seq === alice.record.seq, 20_000);
  }
}, 60_000);

it('says which homes have a record, and tells a home that was away although the server that took it died', async () => {
  const alice = await twoHomes(`told${++count}`, a, b);
  await isTold(alice, alice.next({ priorities: { [b.name]: 2 } }), b);
  await b.stop();
  expect(await alice.publish(alice.next({ priorities: { [b.name]: 3 } }), a)).toEqual([a.name]);
  await a.crash();
  await a.start();
  await b.start();
  await knows(alice, b);
  await isTold(alice, alice.record, b);
}, 60_000);

it('tells the others of a record that drops the very home that took it', async () => {
  const alice = await twoHomes(`told${++count}`, a, b);
  const atB = alice.at(b);
  await a.stop();
  expect(await alice.publish(alice.next({ drop: [b.name] }), b)).toEqual([]);
  await eventually(async () => (await atB.raw('GET', '/v3/account/whoami')).status === 401);
  await b.crash();
  await b.start();
  await a.start();
  await knows(alice, a);
}, 60_000);

it('changes rooms once a minute by additions, of which the last wins, and by removals at once', async () => {
  const alice = await twoHomes(`told${++count}`, a, b);
  const bob = await net.client(c).register(`bob${count}`);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  await isIn(alice.at(b), roomId);
  await isComplete(alice, b);
  // Her join, and what B said when it had the room.
  await eventually(async () => (await memberEvents(bob, roomId, alice.userId)) === 2);
  for (let priority = 20; priority < 40; priority++) await alice.publish(alice.next({ priorities: { [b.name]: priority } }), a);
  await knows(alice, b);
  for (const server of [a, b]) server.get(RoomTellings).wake();
  // One may come early.
  expect(await memberEvents(bob, roomId, alice.userId) - 2).toBeLessThanOrEqual(2);
  await alice.publish(alice.next({ drop: [b.name] }), a);
  await eventually(async () => (await state(bob, roomId, 'm.room.member', alice.userId)).home_record.seq === alice.record.seq);
}, 60_000);

it('does not give up telling a room, however often it fails', async () => {
  const store = a.get(RoomTellingsStore);
  const userId = '@nobody:told';
  const dueAt = statement('test.due_at', 'SELECT due_at FROM record_room_tellings WHERE user_id = $1');
  await store.put(a.get(Database), userId, 1e14, true);
  for (let i = 0, due = 1e14; i < 100; i++) {
    await store.failed({ userId, due, isUrgent: true, paidUntil: 0 }, due);
    const [row] = await a.get(Database).query<{ due_at: number | null }>(dueAt, [userId]);
    expect(row!.due_at).toBeGreaterThan(due);
    expect(row!.due_at! - due).toBeLessThanOrEqual(3_600_000);
    due = row!.due_at!;
  }
  await store.forget(userId);
});

it('takes no device keys by an old record that a dropped home hands to a server that knew nothing', async () => {
  const dropped = await HostileServer.start();
  try {
    const alice = await Person.named(`tricked${++count}`, a);
    const bob = await net.client(c).register(`bob${count}`);
    const hostile = new HostilePerson('x', dropped);
    (hostile as { userId: string }).userId = alice.userId;
    dropped.on(/io\.partyline\/record/, () => ({ records: [] }));
    await alice.publish(alice.next({ add: [{ ...hostile.entry(), priority: 0 }] }), a);
    const old = alice.record;
    await alice.publish(alice.next({ drop: [dropped.name] }), a);
    const keys = { user_id: alice.userId, device_id: 'EVIL', algorithms: [], keys: { 'ed25519:EVIL': hostile.homeKey.publicKey }, signatures: {} };
    dropped.on(/user\/keys\/query|user\/devices/, () => ({ device_keys: { [alice.userId]: { EVIL: keys } } }));
    const query = async (): Promise<Json> =>
      (await bob.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [] }, timeout: 2_000 })).device_keys[alice.userId] ?? {};
    await a.stop();
    await dropped.request(c, 'POST', '/_matrix/federation/unstable/io.partyline/record', old);
    expect(Object.keys(await query())).not.toContain('EVIL');
    await a.start();
    await dropped.request(c, 'POST', '/_matrix/federation/unstable/io.partyline/record', old);
    dropped.requests.length = 0;
    expect(Object.keys(await query())).not.toContain('EVIL');
  } finally {
    dropped.hangUp();
    await dropped.stop();
  }
}, 60_000);

it('does not count a server that knows of no records as one that stands by an old one', async () => {
  const [dropped, plain] = await Promise.all([HostileServer.start(), HostileServer.start()]);
  try {
    const alice = await Person.named(`plain${++count}`, a);
    const bob = await net.client(c).register(`bob${count}`);
    // A room of a standard version: it shows no record of hers.
    const roomId = await createRoom(bob, { room_version: '12' });
    await join(alice.at(a), roomId, c);
    await HostileRoom.join(plain, c, roomId);
    const hostile = new HostilePerson('x', dropped);
    (hostile as { userId: string }).userId = alice.userId;
    dropped.on(/io\.partyline\/record/, () => ({ records: [] }));
    await alice.publish(alice.next({ add: [{ ...hostile.entry(), priority: 0 }] }), a);
    const old = alice.record;
    await a.stop();
    const keys = { user_id: alice.userId, device_id: 'EVIL', algorithms: [], keys: { 'ed25519:EVIL': hostile.homeKey.publicKey }, signatures: {} };
    dropped.on(/user\/devices/, () => ({ user_id: alice.userId, stream_id: 99, devices: [{ device_id: 'EVIL', keys }] }));
    await dropped.request(c, 'POST', '/_matrix/federation/unstable/io.partyline/record', old);
    const { device_keys: found } = await bob.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [] }, timeout: 2_000 });
    expect(Object.keys(found[alice.userId] ?? {})).not.toContain('EVIL');
    expect(plain.requests.some(({ path }) => path.includes('io.partyline/records'))).toBe(true);
  } finally {
    for (const server of [dropped, plain]) {
      server.hangUp();
      await server.stop();
    }
  }
}, 60_000);

it('does not let a home that never answers delay the telling of others', async () => {
  const silent = await HostileServer.start();
  try {
    silent.on(/io\.partyline\/record/, () => undefined);
    for (let i = 0; i < 12; i++) {
      const person = await Person.named(`waits${i}`, a);
      const entry = new HostilePerson('x', silent);
      // The silent server agrees to be a home of everybody.
      (entry as { userId: string }).userId = person.userId;
      await person.publish(person.next({ add: [{ ...entry.entry(), priority: 5 }] }), a);
      if (i === 0) expect(person.record.homes).toHaveLength(2);
    }
    const alice = await twoHomes(`told${++count}`, a, b);
    // What waits for the silent one waits for ten seconds.
    await within(8_000, () => isTold(alice, alice.next({ priorities: { [b.name]: 9 } }), b));
  } finally {
    silent.hangUp();
    await silent.stop();
  }
}, 120_000);
