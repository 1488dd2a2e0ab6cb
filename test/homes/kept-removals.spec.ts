import { OperationsStore } from '../../apps/homeserver/src/homes/ops/operations.store.js';
import { AccountDigests } from '../../apps/homeserver/src/homes/ops/account-digests.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { isCaughtUp } from './talk.js';

// What was removed long ago stays removed, at homes that come later too (protocol §4).
let net: Network;
let a: TestServer;
let b: TestServer;
let c: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
}, 90_000);
afterAll(() => net?.stop());
afterEach(() => Promise.all([a, b, c].map((server) => server.start())));

const LONG_MS = 91 * 24 * 3_600_000;
const age = statement('test.age', 'UPDATE account_ops SET stored_ts = stored_ts - $2 WHERE user_id = $1');
const removals = statement('test.removals', 'SELECT count(*)::int AS n FROM account_op_items WHERE user_id = $1 AND is_removed');
const tz = (client: TestClient) => `/v3/profile/${encodeURIComponent(client.userId)}/m.tz`;
const zone = async (client: TestClient): Promise<Json> => (await client.request('GET', `/v3/profile/${encodeURIComponent(client.userId)}`))['m.tz'] ?? null;
const count = async (server: TestServer, person: Person) => (await server.get(Database).query<{ n: number }>(removals, [person.userId]))[0]!.n;

it('what one home wrote and another removed does not come back when the removal is forgotten', async () => {
  const alice = await Person.named('forgotten', a);
  await alice.addHome(b, { through: a });
  await isCaughtUp(alice, a, b);
  await alice.at(a).request('PUT', tz(alice.at(a)), { 'm.tz': 'UTC' });
  await eventually(async () => (await zone(alice.at(b))) === 'UTC');
  await alice.at(b).request('DELETE', tz(alice.at(b)));
  await eventually(async () => (await zone(alice.at(a))) === null);
  await isCaughtUp(alice, b, a);
  expect(await count(a, alice)).toBe(1);
  for (const server of [a, b]) {
    await server.get(OperationsStore).purge(Date.now() + 1_000);
    expect(await count(server, alice)).toBe(0);
  }
  const atC = await alice.addHome(c, { through: a });
  await b.stop();
  await atC.request('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/org.example.mark`, {});
  await isCaughtUp(alice, c, a);
  expect([await zone(alice.at(a)), await zone(atC)]).toEqual([null, null]);
}, 60_000);

it('homes of which one has forgotten a removal, and the other has not, are equal', async () => {
  const bob = await Person.named('half', a);
  await bob.addHome(b, { through: a });
  await isCaughtUp(bob, a, b);
  await bob.at(a).request('PUT', tz(bob.at(a)), { 'm.tz': 'UTC' });
  await eventually(async () => (await zone(bob.at(b))) === 'UTC');
  await bob.at(b).request('DELETE', tz(bob.at(b)));
  await isCaughtUp(bob, b, a);
  const horizon = Date.now() + 1_000;
  const root = async (server: TestServer) => {
    server.get(AccountDigests).forget(bob.userId);
    return (await server.get(AccountDigests).of(bob.userId, horizon)).root;
  };
  await eventually(async () => (await root(a)) === (await root(b)));
  await a.get(OperationsStore).purge(horizon);
  expect([await count(a, bob), await count(b, bob)]).toEqual([0, 1]);
  expect(await root(a)).toBe(await root(b));
}, 60_000);

it('what a home removed that died is not forgotten while another home has not heard of it', async () => {
  const carol = await Person.named('unheard', a);
  await carol.addHome(b, { through: a });
  await carol.addHome(c, { through: a });
  await isCaughtUp(carol, a, b);
  await isCaughtUp(carol, a, c);
  await carol.at(a).request('PUT', tz(carol.at(a)), { 'm.tz': 'UTC' });
  for (const server of [b, c]) await eventually(async () => (await zone(carol.at(server))) === 'UTC');
  for (const server of [b, c]) await isCaughtUp(carol, a, server);
  await b.stop();
  await carol.at(c).request('DELETE', tz(carol.at(c)));
  await eventually(async () => (await zone(carol.at(a))) === null);
  await isCaughtUp(carol, c, a);
  await c.stop();
  await a.get(Database).query(age, [carol.userId, LONG_MS]);
  await a.get(OperationsStore).purge(Date.now() + 1_000);
  expect(await count(a, carol)).toBe(1);
  await b.start();
  await eventually(async () => (await zone(carol.at(b))) === null, 20_000);
  expect((await carol.at(a).request('GET', `${homesPath}/account/homes`)).homes).toHaveLength(3);
}, 60_000);
