import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { homesPath, Person } from '../network/person.js';
import { eventually } from '../network/eventually.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isCaughtUp, join, settles } from './talk.js';

// What a device gets of its messages below any client library: in the raw answers of its homes, which do not hear each other.
const pass = statement('test.weeks', 'UPDATE to_device_consumed SET expires_ts = expires_ts - $2 WHERE user_id = $1');
let network: LinkedNetwork;
let a: TestServer; let b: TestServer; let c: TestServer;
let alice: Person; let bob: TestClient;
const DEVICE = 'PHONE';

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
  [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
  alice = await Person.named('alice', a);
  await alice.addHome(b);
  for (const server of [a, b]) await alice.login(server, DEVICE);
  bob = await network.net.client(c).register('bob');
  await join(bob, await createRoom(alice.at(a)), a);
  await isCaughtUp(alice, a, b);
  await isCaughtUp(alice, b, a);
}, 90_000);
afterAll(() => network?.stop());
afterEach(() => { for (const [x, y] of [[a, b], [a, c], [b, c]] as const) network.cut(x, y, 'open'); });

const send = (content: Json): Promise<Json> =>
  bob.request('PUT', `/v3/sendToDevice/org.example.test/${bob.nextTxn()}`, { messages: { [alice.userId]: { [DEVICE]: content } } });
const sync = (server: TestServer, since?: string): Promise<Json> =>
  alice.at(server).request('GET', '/v3/sync', undefined, { query: { 'io.partyline.frontier': 'true', ...(since === undefined ? {} : { since }) } });
const ids = (answer: Json): string[] => (answer.to_device?.events ?? []).map((event: Json) => event['io.partyline.id']);
const resume = async (server: TestServer, received: readonly string[]): Promise<string> =>
  (await alice.at(server).request('POST', `${homesPath}/sync/resume`, { to_device: received })).since;
const has = (server: TestServer, count: number) => eventually(async () => ids(await sync(server)).length === count, 20_000);

it('gets a message once that was sent again at another home, as there was no answer', async () => {
  const key = Buffer.from('the same at both').toString('base64url');
  const tell = (server: TestServer, text: string, query?: Json): Promise<Json> => alice.at(server).request(
    'PUT', `/v3/sendToDevice/org.example.test/${encodeURIComponent(text)}`, { messages: { [bob.userId]: { [bob.deviceId]: { text } } } }, { query },
  );
  for (const server of [a, b]) {
    await tell(server, 'again', { 'io.partyline.txn': key });
    await tell(server, `after it from ${server.label}`);
  }
  await settles(async () => {
    const { to_device: { events = [] } = {} }: Json = await bob.request('GET', '/v3/sync');
    expect(events.map((event: Json) => event.content.text).toSorted()).toEqual(['after it from a', 'after it from b', 'again']);
  });
  await alice.at(a).expectError(400, 'M_INVALID_PARAM', 'PUT', '/v3/sendToDevice/org.example.test/x', { messages: {} }, { query: { 'io.partyline.txn': 'short' } });
});

it('shows a client that goes from A to B and back each message once, and of two equal ones both', async () => {
  network.cut(a, b);
  await send({ same: true });
  await send({ same: true });
  for (const server of [a, b]) await has(server, 2);
  const first = ids(await sync(a));
  expect(new Set(first).size).toBe(2);
  expect(ids(await sync(b)).toSorted()).toEqual(first.toSorted());
  // A dies before the client comes with the token of that answer.
  expect(ids(await sync(b, await resume(b, first)))).toEqual([]);
  await send({ same: true });
  await has(b, 1);
  const atB = await sync(b, await resume(b, first));
  expect(ids(atB)).toHaveLength(1);
  await has(a, 3);
  expect(ids(await sync(a, await resume(a, [...first, ...ids(atB)])))).toEqual([]);
  // What both homes have heard from the client holds for the account.
  network.cut(a, b, 'open');
  await send({ same: false });
  for (const server of [a, b]) await has(server, 1);
  await sync(a, (await sync(a)).next_batch);
  await eventually(async () => ids(await sync(b)).length === 0, 20_000);
});

it('leaves a message out that the device got at another home, when it comes here at last', async () => {
  network.cut(a, b);
  network.cut(a, c);
  await send({ n: 1 });
  await has(b, 1);
  const received = ids(await sync(b));
  const since = await resume(a, received);
  expect(ids(await sync(a, since))).toEqual([]);
  network.cut(a, c, 'open');
  network.cut(a, b, 'open');
  await send({ n: 2 });
  await eventually(async () => (await sync(a)).to_device?.events.some((event: Json) => event.content.n === 2), 30_000);
  expect((await sync(a)).to_device.events.map((event: Json) => event.content.n)).toEqual([2]);
  // And the home that gave it hears that it was received.
  await eventually(async () => !ids(await sync(b)).includes(received[0]!), 20_000);
  await sync(a, (await sync(a)).next_batch);
}, 60_000);

it('leaves a message out that it gave itself, when a home that was away for weeks brings it', async () => {
  const isThere = async (server: TestServer) => ((await sync(server)).to_device?.events ?? []).some((event: Json) => event.content.weeks === 1);
  network.cut(a, b);
  await send({ weeks: 1 });
  for (const server of [a, b]) await eventually(() => isThere(server), 20_000);
  await sync(a, (await sync(a)).next_batch);
  expect(await isThere(a)).toBe(false);
  await a.get(Database).query(pass, [alice.userId, 60 * 24 * 3_600_000]);
  await a.stop();
  await a.start();
  network.cut(a, b, 'open');
  await alice.at(b).request('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/org.example.wake`, {});
  await isCaughtUp(alice, b, a);
  expect(await isThere(a)).toBe(false);
  await eventually(async () => !(await isThere(b)), 20_000);
}, 60_000);

it('tells no ids to clients that do not ask for them', async () => {
  await send({ plain: true });
  await eventually(async () => ids(await sync(a)).length === 1, 20_000);
  expect((await alice.at(a).request('GET', '/v3/sync')).to_device.events).toEqual([{ type: 'org.example.test', sender: bob.userId, content: { plain: true } }]);
});
