import { randomBytes } from 'node:crypto';
import { acceptedInput, signingKeyFromSeed } from '../../libs/federation/src/index.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { within } from '../network/within.js';
import { createRoom, isIn, roomPath, say, state } from './talk.js';

let net: Network;
let a: TestServer;
let b: TestServer;
let silent: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  silent = await HostileServer.start();
});
afterAll(async () => {
  silent?.hangUp();
  await silent?.stop();
  await net?.stop();
});

const openRooms = statement('test.open_rooms', 'SELECT count(*)::int AS n FROM account_arrival_rooms WHERE user_id = $1');

/** Names rooms to the server as an emergency home's client does. */
async function nameRooms(client: TestClient, rooms: Record<string, string[]>): Promise<Json> {
  const record = await client.request('GET', `${homesPath}/account/record`);
  return client.request('PUT', `${homesPath}/account/record`, { record, rooms });
}

describe('accounts that move in', () => {
  it('are bounded in what their clients name, over all calls', async () => {
    const mallory = await net.client(a).register('mallory.names');
    const via = Array.from({ length: 20 }, (_, i) => `${'v'.repeat(200)}${i}.example`);
    let leftOut = 0;
    for (let call = 0; call < 3; call++) {
      ({ rooms_left_out: leftOut } = await nameRooms(mallory, Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`!${call}x${i}:x.example`, via]))));
    }
    expect(leftOut).toBe(300);
    const [row] = await a.get(Database).query<{ n: number }>(openRooms, [mallory.userId]);
    // 1 MiB of ids and names.
    expect(row!.n).toBeGreaterThan(200);
    expect(row!.n).toBeLessThan(300);
  });

  it('do not wait for those that wait for a silent server', async () => {
    silent.on(/io\.partyline\/attach/, () => undefined);
    const mallories = await Promise.all(Array.from({ length: 6 }, (_, i) => net.client(a).register(`mallory.waits${i}`)));
    for (const [n, mallory] of mallories.entries()) {
      await nameRooms(mallory, Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`!waits${n}x${i}:x.example`, [silent.name]])));
    }
    await eventually(() => silent.requests.filter(({ path }) => path.includes('attach')).length >= 4);
    const alice = await Person.named('alice.moves', b);
    const roomId = await createRoom(alice.at(b));
    await alice.addHome(a);
    await within(10_000, () => isIn(alice.at(a), roomId));
    silent.hangUp();
  });
});

describe('an account that takes a home away and adds it again, without end', () => {
  it('makes few member events, of which the last shows the last record', async () => {
    const peer = await HostileServer.start();
    try {
      const flips = await Person.named('flips', a);
      const roomId = await createRoom(flips.at(a));
      const key = signingKeyFromSeed('ed25519:h_peer', randomBytes(32));
      const accepted = { [peer.key.keyId]: peer.key.sign(acceptedInput(flips.userId, key.publicKey, peer.name)) };
      const entry = { server_name: peer.name, key_id: key.keyId, key: key.publicKey, priority: 5, accepted };
      const path = '/_matrix/federation/unstable/io.partyline/record';
      for (let i = 0; i < 25; i++) {
        for (const change of [{ add: [entry] }, { revoke: [peer.name] }]) {
          flips.record = flips.next(change);
          await peer.request(a, 'POST', path, flips.record);
        }
      }
      const shown = async () => (await state(flips.at(a), roomId, 'm.room.member', flips.userId)).home_record;
      await eventually(async () => (await shown()).seq === flips.record.seq, 25_000);
      const { chunk } = await flips.at(a).request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 100 } });
      const events = chunk.filter((event: Json) => event.type === 'm.room.member').length;
      expect(events).toBeGreaterThan(2);
      expect(events).toBeLessThanOrEqual(1 + 10 + 6);
    } finally {
      await peer.stop();
    }
  }, 60_000);
});

describe('a resume', () => {
  let client: TestClient;
  let roomId: string;
  let first: string;
  beforeAll(async () => {
    client = await net.client(a).register('big');
    roomId = await createRoom(client);
    first = (await client.request('GET', `${roomPath(roomId)}/state`)).find((event: Json) => event.type === 'm.room.create').event_id;
  });
  const resume = () => client.raw('POST', `${homesPath}/sync/resume`, { rooms: { [roomId]: [first] }, account: {} });

  it('reads edges and no events', async () => {
    const body = 'x'.repeat(60_000);
    for (let i = 0; i < 400; i += 20) await Promise.all(Array.from({ length: 20 }, () => say(client, roomId, body)));
    const before = process.memoryUsage().rss;
    let peak = before;
    const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
    const answers = await Promise.all(Array.from({ length: 12 }, resume));
    clearInterval(timer);
    expect([...new Set(answers.map(({ status }) => status))].sort()).toEqual([200, 429]);
    expect((peak - before) / 1e6).toBeLessThan(100);
  }, 60_000);

  it('is not stopped by characters that the database has none for', async () => {
    const last = await say(client, roomId, 'nul \u0000 \\u0000');
    const next = await say(client, roomId, 'after');
    const { body: { since } } = await client.raw('POST', `${homesPath}/sync/resume`, { rooms: { [roomId]: [last] }, account: {} });
    const answer = await client.request('GET', '/v3/sync', undefined, { query: { since } });
    expect(answer.rooms.join[roomId].timeline.events.map((event: Json) => event.event_id)).toEqual([next]);
  });
});
