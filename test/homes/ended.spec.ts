import { randomBytes } from 'node:crypto';
import { accountKey, lastHomeRecord, nextHomeRecord, recoveredHomeRecord } from '#e2e';
import { AccountServers } from '../../apps/homeserver/src/accounts/account-servers.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import { TestClient, type Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { RoutedPerson } from './routed-person.js';
import { createRoom, isIn, join, state } from './talk.js';
import { dataPath } from './written.js';

// An account ends at all its homes, and nobody speaks for it any more (protocol §2, "Deactivation").
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

const logins = (person: Person, server: TestServer): Promise<string> => person.login(server, 'BACK').then(() => 'in', (error: unknown) => String(error));

interface Scene { alice: Person; atA: TestClient; atB: TestClient; bob: TestClient; roomId: string }

/** Alice with homes at A and B, and Bob of C in a room of hers. */
async function scene(): Promise<Scene> {
  const alice = await Person.named(`ends${++count}`, a);
  const atA = alice.at(a);
  const atB = await alice.addHome(b, { through: a });
  const bob = await net.client(c).register(`bob${count}`);
  const roomId = await createRoom(atA);
  await join(bob, roomId, a);
  await isIn(atB, roomId);
  await atA.request('PUT', dataPath(atA, 'org.example.secret'), { a: 1 });
  await eventually(async () => (await atB.raw('GET', dataPath(atA, 'org.example.secret'))).status === 200);
  return { alice, atA, atB, bob, roomId };
}

async function deactivate(client: TestClient, label: string): Promise<void> {
  const { body: { session } } = await client.raw('POST', '/v3/account/deactivate', {});
  const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: label }, password: `password of ${label}`, session };
  await client.request('POST', '/v3/account/deactivate', { auth, erase: true });
}

const hasLeft = (bob: TestClient, roomId: string, userId: string): Promise<unknown> =>
  eventually(async () => (await state(bob, roomId, 'm.room.member', userId)).membership === 'leave', 20_000);

it('ends at a home that was away, by the record alone, although the server that took it died', async () => {
  const { alice, atA, atB, bob, roomId } = await scene();
  const before = alice.record;
  await b.stop();
  await alice.publish(lastHomeRecord(alice.record, true, alice.key), a);
  await a.crash();
  await a.start();
  await b.start();
  // At the first answer, unless the machine is so slow that the others do not answer in three seconds.
  for (const client of [atA, atB]) await eventually(async () => (await client.raw('GET', '/v3/account/whoami')).status === 401, 20_000);
  for (const server of [a, b]) expect(await logins(alice, server)).toContain('403');
  await hasLeft(bob, roomId, alice.userId);
  expect((await state(bob, roomId, 'm.room.member', alice.userId)).home_record).toMatchObject({ deactivated: true, homes: [] });
  // Nothing that the key signs brings it back.
  const later = nextHomeRecord({ ...before, seq: before.seq + 10 }, {}, alice.key);
  for (const server of [a, b]) await new TestClient(server).expectError(409, 'IO_PARTYLINE_STALE_RECORD', 'PUT', `${homesPath}/account/record`, { record: later });
  for (const server of [a, b, c]) {
    await eventually(async () => (await server.get(AccountServers).of(alice.userId)).length === 0, 20_000);
  }
}, 60_000);

it('ends at the other homes by an operation where no server holds the key, and stays so', async () => {
  const { alice, atA, atB, bob, roomId } = await scene();
  await deactivate(atA, alice.label);
  await eventually(async () => (await atB.raw('GET', '/v3/account/whoami')).status === 401, 20_000);
  await hasLeft(bob, roomId, alice.userId);
  await alice.publish(alice.next({ priorities: { [b.name]: 3 } }), a);
  for (const server of [a, b]) expect(await logins(alice, server)).toContain('403');
}, 60_000);

it('ends everywhere where its server holds the key', async () => {
  const dora = await net.client(a).register(`dora${++count}`);
  const bob = await net.client(c).register(`bobd${count}`);
  const roomId = await createRoom(dora);
  await join(bob, roomId, a);
  await deactivate(dora, `dora${count}`);
  await hasLeft(bob, roomId, dora.userId);
  expect((await state(bob, roomId, 'm.room.member', dora.userId)).home_record.deactivated).toBe(true);
  await eventually(async () => (await c.get(AccountServers).of(dora.userId)).length === 0);
  expect((await bob.request('POST', '/v3/keys/query', { device_keys: { [dora.userId]: [] } })).device_keys[dora.userId] ?? {}).toEqual({});
  const invitation = await bob.raw('POST', `/v3/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: dora.userId });
  expect(invitation.status).toBeGreaterThanOrEqual(400);
}, 60_000);

it('ends for everybody when a client that holds the key uses the ordinary endpoint, and its other devices are told', async () => {
  const { alice, bob, roomId } = await scene();
  const phone = await RoutedPerson.enter(alice, [a, b], 'PHONE');
  const laptop = await RoutedPerson.enter(alice, [b, a], 'LAPTOP');
  try {
    await laptop.sync();
    const ask = (body: Json): Promise<Json> => phone.router.fetch('https://partyline.invalid/_matrix/client/v3/account/deactivate', {
      method: 'POST', headers: { authorization: 'Bearer of the app' }, body: JSON.stringify(body),
    }).then(async (response) => ({ status: response.status, body: await response.json() }));
    const { status, body: { session } } = await ask({ erase: true });
    expect(status).toBe(401);
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: alice.label }, password: `password of ${alice.label}`, session };
    expect((await ask({ erase: true, auth })).status).toBe(200);
    await hasLeft(bob, roomId, alice.userId);
    expect((await state(bob, roomId, 'm.room.member', alice.userId)).home_record).toMatchObject({ deactivated: true, erase: true, homes: [] });
    for (const device of [phone, laptop]) {
      await eventually(() => device.sync().then(() => false, (error: unknown) => String(error).includes('M_UNKNOWN_TOKEN')), 20_000);
      expect(device.events.filter(({ type }) => type === 'ended')).toEqual([{ type: 'ended' }]);
    }
  } finally {
    phone.leave();
    laptop.leave();
  }
}, 60_000);

it('comes back by the recovery key only, without its data', async () => {
  const { alice, atA } = await scene();
  await alice.publish(lastHomeRecord(alice.record, true, alice.key), a);
  const last = alice.record;
  const key = accountKey(randomBytes(32));
  const entry = { ...(await alice.offer(a)), priority: 0 };
  await alice.publish(recoveredHomeRecord(last, { add: [entry] }, alice.recoveryKey, key), a);
  (alice as { key: Json }).key = key;
  const client = await alice.login(a, 'AGAIN');
  expect((await client.raw('GET', dataPath(atA, 'org.example.secret'))).status).toBe(404);
}, 60_000);

it('comes back although its server died between taking the record and acting on it', async () => {
  const { alice } = await scene();
  await alice.publish(lastHomeRecord(alice.record, true, alice.key), a);
  const key = accountKey(randomBytes(32));
  const entry = { ...(await alice.offer(a)), priority: 0 };
  const last = alice.record;
  await eventually(async () => (await a.get(Database).query(statement('test.ending', 'SELECT 1 FROM accounts WHERE user_id = $1 AND is_ending'), [alice.userId])).length === 0);
  await alice.publish(recoveredHomeRecord(last, { add: [entry] }, alice.recoveryKey, key), a);
  (alice as { key: Json }).key = key;
  // As if the server had come no further than the record.
  const back = statement('test.back', 'UPDATE accounts SET deactivated_ts = 1, ended_epoch = $2 WHERE user_id = $1');
  await a.get(Database).query(back, [alice.userId, last.epoch]);
  await a.crash();
  await a.start();
  expect(await logins(alice, a)).toBe('in');
}, 60_000);
