import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { RoomRegistry } from '../../apps/homeserver/src/rooms/room-registry.js';
import { usualLimits } from '../../apps/homeserver/src/storage/database-limits.js';
import { readEnds } from '../model/visible/room-log.js';
import { seeded } from '../model/rooms/random.js';
import { DatabaseProxy } from '../network/database-proxy.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import { allPages, roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { TestDeviceKeys } from '../integration/test-keys.js';

// Whatever the database does to a server, at random: what was acknowledged is there, once, and what the server has in memory is what the database has.
// `npm run trouble`; TROUBLE_SEED chooses another run. What happens when depends on the machine, too.

const SEED = Number(process.env['TROUBLE_SEED'] ?? 1);
/** Time for one request to come through: each try may meet the next trouble. A gap that could not be filled is tried again after a minute. */
const THROUGH_MS = 120_000;
/** Rows that most writers have to lock. */
const STREAMS = ['events', 'account', 'receipts', 'to_device', 'device_lists'];

const draw = seeded(SEED);
let net: Network;
let proxy: DatabaseProxy;
let killer: pg.Client;
let [a, b]: TestServer[] = [];
let [alice, carol, dave, bob, eve]: TestClient[] = [];
/** Those who write at one home, at the other. */
let elsewhere: TestClient[] = [];
let roomId = '';

beforeAll(async () => {
  let directUrl = '';
  net = await Network.start({
    servers: ['a', 'b'],
    databaseLimits: { ...usualLimits, answerMs: 4_000, lockMs: 1_000, patienceMs: 300, connectMs: 2_000 },
    databaseUrl: async (label, url) => {
      if (label !== 'a') return url;
      directUrl = url;
      const way = await DatabaseProxy.open(url);
      ({ proxy } = way);
      return way.url;
    },
  });
  [a, b] = [net.server('a'), net.server('b')];
  killer = new pg.Client({ connectionString: directUrl });
  await killer.connect();
  await killer.query('SET lock_timeout = 500');
  const [first, second] = [await Person.named('alice', a), await Person.named('eve', a)];
  for (const person of [first, second]) await person.addHome(b);
  [alice, eve] = [first.at(a), second.at(b)];
  elsewhere = [first.at(b), second.at(a)];
  [carol, dave, bob] = [await net.client('a').register('carol'), await net.client('a').register('dave'), await net.client('b').register('bob')];
  ({ room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', room_version: 'io.partyline.1' }));
  for (const client of [carol, bob]) await client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } });
  await alice.request('PUT', `${roomPath(roomId)}/state/m.room.power_levels`, { users: { [carol.userId]: 50 } });
  await TestDeviceKeys.upload(carol);
}, 120_000);
afterAll(async () => {
  await killer?.end();
  await net?.stop();
  await proxy?.close();
});

/** Two of the server's writers and this one wait for each other, if they are there. */
async function deadlock(): Promise<void> {
  const [one, other] = [STREAMS[draw(STREAMS.length)]!, STREAMS[draw(STREAMS.length)]!];
  const update = 'UPDATE sequences SET used = used WHERE name = $1';
  try {
    await killer.query('BEGIN');
    for (const name of [one, other]) await killer.query(update, [name]);
    await killer.query('COMMIT');
  } catch {
    await killer.query('ROLLBACK');
  }
}

const cutOne = `SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid OFFSET $1 LIMIT 1) one`;
const cutAll = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()';

let isTroubled = false;
let isAway = false;
let working = Promise.resolve();
let silences = 0;

/** Before an act: perhaps something happens. One thing after the other, since the one connection of this test makes them. */
function trouble(): void {
  const which = draw(12);
  const make = async (): Promise<void> => {
    if (which < 3) await killer.query(cutOne, [draw(8)]);
    else if (which === 3) await deadlock();
    else if (which === 4 && draw(4) === 0) {
      // Until somebody has been told so.
      isAway = true;
      proxy.refuse(true);
      await killer.query(cutAll);
    } else if (which === 5 && silences < 2 && draw(10) === 0) {
      silences++;
      proxy.silence();
    }
  };
  working = working.then(make);
}

/** Asks until it is done, as a client does; the same request each time. */
async function done(client: TestClient, method: string, path: string, body?: Json): Promise<Json> {
  if (client.server === a && isTroubled) trouble();
  const answered = await eventually(async () => {
    const answer = await client.raw(method, path, body);
    if (answer.status < 500 && answer.status !== 429) return answer;
    if (isAway) {
      isAway = false;
      proxy.refuse(false);
    }
    throw new Error(`${method} ${path}: ${answer.status} ${answer.bytes.toString()}`);
  }, THROUGH_MS);
  if (answered.status !== 200) throw new Error(`${method} ${path}: ${answered.status} ${answered.bytes.toString()}`);
  return answered.body;
}

async function times(count: number, act: (i: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i++) await act(i);
}

const inRoom = (rest: string): string => `${roomPath(roomId)}/${rest}`;
const data = (client: TestClient, type: string): string => `/v3/user/${encodeURIComponent(client.userId)}/account_data/${type}`;
const bodies = async (client: TestClient): Promise<string[]> =>
  (await allPages(client, roomId, { dir: 'b', limit: 100 })).events.flatMap((event) => (event.type === 'm.room.message' ? [event.content.body] : [])).sort();
const stateIds = async (client: TestClient): Promise<string[]> => (await client.request('GET', inRoom('state'))).map((event: Json) => event.event_id).sort();

it(`a server whose database is cut off, silent, away and in its way loses nothing, and repeats nothing (seed ${SEED})`, async () => {
  const sent: string[] = [];
  const rooms: string[] = [];
  const messages: Record<string, string[]> = { [bob!.userId]: [], [dave!.userId]: [] };
  let keysUploaded = 0;
  const daves = await TestDeviceKeys.upload(dave!);
  const since = new Map(await Promise.all([bob!, dave!].map(async (client) => [client, (await client.request('GET', '/v3/sync', undefined, { query: { timeout: 0 } })).next_batch] as const)));

  isTroubled = true;
  proxy.haunt(() => (draw(14) === 0 ? (['answer lost', 'commit lost', 'late'] as const)[draw(3)] : undefined));
  const says = (client: TestClient, name: string): Promise<void> => times(15, async (i) => {
    await done(client, 'PUT', inRoom(`send/m.room.message/${randomUUID()}`), { msgtype: 'm.text', body: `${name} ${i}` });
    sent.push(`${name} ${i}`);
  });
  await Promise.all([
    says(alice!, 'alice'), says(carol!, 'carol'), says(bob!, 'bob'),
    times(10, (i) => done(carol!, 'PUT', inRoom('state/m.room.topic/'), { topic: `${i}` })),
    times(15, (i) => done(dave!, 'POST', i % 2 === 0 ? `/v3/join/${encodeURIComponent(roomId)}` : inRoom('leave'), {})),
    times(15, (i) => done(alice!, 'PUT', data(alice!, 'org.example.n'), { n: i })),
    times(15, (i) => done(eve!, 'PUT', data(eve!, 'org.example.n'), { n: i })),
    times(10, (i) => done(carol!, 'PUT', `/v3/devices/${carol!.deviceId}`, { display_name: `${i}` })),
    times(10, (i) => done(carol!, 'PUT', `/v3/profile/${encodeURIComponent(carol!.userId)}/displayname`, { displayname: `Carol ${i}` })),
    times(10, async (i) => {
      const more = daves.oneTimeKeys(2, `${i}of`);
      await done(dave!, 'POST', '/v3/keys/upload', { one_time_keys: more });
      keysUploaded += Object.keys(more).length;
    }),
    times(4, async () => rooms.push((await done(alice!, 'POST', '/v3/createRoom', {})).room_id)),
    times(12, async (i) => {
      for (const [userId, list] of Object.entries(messages)) {
        await done(carol!, 'PUT', `/v3/sendToDevice/org.example.x/${randomUUID()}`, { messages: { [userId]: { '*': { i } } } });
        list.push(`${i}`);
      }
    }),
  ]);
  isTroubled = false;
  proxy.haunt(() => undefined);
  await working;
  proxy.refuse(false);
  await proxy.deliver();
  // Servers that were away are left alone for a while, and asked again when they are heard; somebody's next event leads to what was refused meanwhile.
  for (const [client, name] of [[alice!, 'alice'], [bob!, 'bob']] as const) {
    await done(client, 'PUT', inRoom(`send/m.room.message/${randomUUID()}`), { msgtype: 'm.text', body: `last of ${name}` });
    sent.push(`last of ${name}`);
  }

  // What was acknowledged is there, once, here and at the other server.
  for (const client of [alice!, bob!]) await eventually(async () => expect(await bodies(client)).toEqual([...sent].sort()) ?? true, THROUGH_MS);
  expect((await alice!.request('GET', inRoom('state/m.room.topic/'))).topic).toBe('9');
  expect(await alice!.request('GET', data(alice!, 'org.example.n'))).toEqual({ n: 14 });
  expect((await carol!.request('GET', '/v3/devices')).devices[0].display_name).toBe('9');
  expect((await alice!.request('GET', '/v3/joined_rooms')).joined_rooms).toEqual(expect.arrayContaining(rooms));
  expect((await dave!.request('POST', '/v3/keys/upload', {})).one_time_key_counts.signed_curve25519).toBe(keysUploaded);
  for (const client of [bob!, dave!]) {
    const seen: string[] = [];
    let next = since.get(client)!;
    await eventually(async () => {
      const answer = await client.request('GET', '/v3/sync', undefined, { query: { since: next, timeout: 0 } });
      next = answer.next_batch;
      for (const event of answer.to_device?.events ?? []) if (event.type === 'org.example.x') seen.push(`${event.content.i}`);
      return seen.length >= messages[client.userId]!.length;
    }, THROUGH_MS);
    expect(seen.sort()).toEqual([...messages[client.userId]!].sort());
  }
  await eventually(async () => expect(await stateIds(bob!)).toEqual(await stateIds(alice!)) ?? true, THROUGH_MS);
  for (const client of elsewhere) await eventually(async () => expect(await client.request('GET', data(client, 'org.example.n'))).toEqual({ n: 14 }) ?? true, THROUGH_MS);

  // What is in memory is what the database has: a server that starts from it says the same.
  const memory = await said();
  const ends = (await a!.get(RoomRegistry).find(roomId))!.extremities.map((end) => end.eventId).sort().join(' ');
  expect(ends).toBe(await readEnds(a!, roomId));
  await a!.restart();
  expect(await said()).toEqual(memory);
}, 600_000);

/** All that server `a` shows of what was written. */
async function said(): Promise<Json> {
  const keys = { device_keys: { [alice!.userId]: [], [carol!.userId]: [], [dave!.userId]: [] } };
  return {
    state: await stateIds(alice!),
    timeline: (await allPages(alice!, roomId, { dir: 'b', limit: 100 })).events.map((event) => event.event_id),
    members: await alice!.request('GET', inRoom('joined_members')),
    rooms: (await alice!.request('GET', '/v3/joined_rooms')).joined_rooms.sort(),
    data: await alice!.request('GET', data(alice!, 'org.example.n')),
    keys: (await carol!.request('POST', '/v3/keys/query', keys)).device_keys,
    counts: await dave!.request('POST', '/v3/keys/upload', {}),
    profile: await carol!.request('GET', `/v3/profile/${encodeURIComponent(carol!.userId)}`),
    unread: Object.entries<Json>((await carol!.request('GET', '/v3/sync')).rooms.join).map(([id, room]) => [id, room.unread_notifications]),
  };
}
