import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { accountKey, nextHomeRecord } from '#e2e';
import { migrationsFolder } from '../../apps/homeserver/src/server.js';
import { openDataSource } from '../../apps/homeserver/src/storage/data-source.js';
import { migrate, readMigrations } from '../../apps/homeserver/src/storage/migrate.js';
import { LinkedNetwork } from '../homes/linked-network.js';
import { reads, roomPath, say, settles, state, texts } from '../homes/talk.js';
import { homesPath } from '../network/person.js';
import { createTestDatabase, dropTestDatabase, testCluster } from '../network/test-cluster.js';
import { TestClient, type Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

// Two servers whose databases version 1 of the protocol left behind: an account at both, a room, data written at each, a message
// to a device that nobody has fetched yet. `version-1/` holds the rows; the migrations up to 0008 make their tables.
const folder = join(import.meta.dirname, 'version-1');
const known = JSON.parse(readFileSync(join(folder, 'known.json'), 'utf8')) as Json;
const MIGRATIONS_OF_VERSION_1 = 8;
let network: LinkedNetwork;
let a: TestServer;
let b: TestServer;
let alice: { a: TestClient; b: TestClient };
const databases: string[] = [];

async function oldDatabase(label: string): Promise<{ databaseUrl: string; dataDir: string }> {
  const cluster = await testCluster();
  const name = `t_${randomBytes(8).toString('hex')}`;
  databases.push(name);
  const databaseUrl = await createTestDatabase(cluster, name);
  const migrations = readMigrations(migrationsFolder()).slice(0, MIGRATIONS_OF_VERSION_1);
  const source = await openDataSource(databaseUrl, { migrations });
  await source.query('DROP SCHEMA public CASCADE');
  await source.query('CREATE SCHEMA public');
  expect((await migrate(source)).at(-1)).toBe('0008-waiting-read-markers');
  // Rows that the migrations themselves made are among those of the dump.
  await source.query('TRUNCATE federation_outbox, sequences');
  await source.query(readFileSync(join(folder, `${label}.sql`), 'utf8'));
  await source.destroy();
  const dataDir = join(cluster.folder, name);
  mkdirSync(dataDir);
  copyFileSync(join(folder, `${label}.signing.key`), join(dataDir, 'signing.key'));
  return { databaseUrl, dataDir };
}

beforeAll(async () => {
  const configs = { a: await oldDatabase('a'), b: await oldDatabase('b') };
  network = await LinkedNetwork.start(['a', 'b'], configs);
  [a, b] = network.servers as [TestServer, TestServer];
  const client = (server: TestServer, accessToken: string): TestClient => Object.assign(new TestClient(server), { accessToken, userId: known.userId });
  alice = { a: client(a, known.tokens.a), b: client(b, known.tokens.b) };
}, 90_000);
afterAll(async () => {
  await network?.stop();
  const cluster = await testCluster();
  for (const name of databases) await dropTestDatabase(cluster, name);
});

const data = (type: string): string => `/v3/user/${encodeURIComponent(known.userId)}/account_data/${type}`;

describe('servers that come from version 1', () => {
  it('keep sessions, rooms and data', async () => {
    for (const client of [alice.a, alice.b]) {
      expect((await client.request('GET', '/v3/account/whoami')).user_id).toBe(known.userId);
      expect(await client.request('GET', data('org.example.a'))).toEqual({ at: 'a' });
      expect(await client.request('GET', data('org.example.b'))).toEqual({ at: 'b' });
      expect((await texts(client, known.roomId)).sort()).toEqual(['from a', 'from b', 'hello']);
    }
  });

  it('lose no message to a device, whatever becomes of a token of then', async () => {
    const answer = await alice.a.request('GET', '/v3/sync', undefined, { query: { since: known.since, timeout: 0 } });
    const again = await alice.a.request('GET', '/v3/sync', undefined, { query: { since: answer.next_batch, timeout: 0 } });
    const events: Json[] = [...answer.to_device.events, ...(again.to_device?.events ?? [])];
    expect(events.filter((event) => event.type === 'org.example.x')).toHaveLength(1);
  });

  it('go on replicating, what was written then too', async () => {
    await alice.a.request('PUT', data('org.example.a'), { at: 'a again' });
    await alice.b.request('PUT', data('org.example.new'), { at: 'b' });
    await settles(async () => {
      expect(await alice.b.request('GET', data('org.example.a'))).toEqual({ at: 'a again' });
      expect(await alice.a.request('GET', data('org.example.new'))).toEqual({ at: 'b' });
    });
  });

  it('go on talking in the room', async () => {
    await say(alice.a, known.roomId, 'new from a');
    await say(alice.b, known.roomId, 'new from b');
    for (const client of [alice.a, alice.b]) await reads(client, known.roomId, 'new from a', 'new from b', 'from a');
  });

  it('take a record that continues one of version 1', async () => {
    const next = nextHomeRecord(known.record, { priorities: { 'b.test': 3 } }, accountKey(new Uint8Array(32).fill(1)));
    await new TestClient(a).request('PUT', `${homesPath}/account/record`, { record: next });
    await settles(async () => {
      expect((await alice.b.request('GET', `${homesPath}/account/record`)).seq).toBe(2);
      for (const client of [alice.a, alice.b]) expect((await state(client, known.roomId, 'm.room.member', known.userId)).home_record.seq).toBe(2);
    });
    await alice.b.request('PUT', `${roomPath(known.roomId)}/state/m.room.topic/`, { topic: 'still here' });
    await settles(async () => expect((await state(alice.a, known.roomId, 'm.room.topic')).topic).toBe('still here'));
  });
});
