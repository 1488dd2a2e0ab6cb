import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { OperationsStore } from '../../apps/homeserver/src/homes/ops/operations.store.js';
import { OperationLog } from '../../apps/homeserver/src/homes/ops/operation-log.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { isCaughtUp } from './talk.js';
import { dataPath, isAt, read, write } from './written.js';

// The logs of an account's homes over drops, returns, restores and years (protocol §4).
const counted = statement('test.ops', 'SELECT count(*)::int AS n FROM account_ops WHERE user_id = $1');
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

const homes = (person: Person, at: TestServer): Promise<Json> => person.at(at).request('GET', `${homesPath}/account/homes`);
const logsOf = async (person: Person, at: TestServer, name: string): Promise<[string, Json][]> =>
  Object.entries<Json>((await homes(person, at)).logs).filter(([, log]) => log.server_name === name);
const entryOf = (person: Person, server: TestServer) => person.record.homes.find((home) => home.server_name === server.name)!;

it('what was written at a home that died and was dropped reaches the third home, which was away', async () => {
  const alice = await Person.named('third', a);
  for (const server of [b, c]) await alice.addHome(server, { through: a });
  await write(alice, b, 'org.example.warm');
  await isCaughtUp(alice, b, a);
  await isCaughtUp(alice, b, c);
  await c.stop();
  await write(alice, b, 'org.example.precious');
  await isCaughtUp(alice, b, a);
  await b.stop();
  await alice.publish(alice.next({ drop: [b.name] }), a);
  await c.start();
  await isAt(alice, c, 'org.example.precious');
}, 60_000);

it('a revoked home counts up to the cut; what it replaced counts again, what it removed stays removed', async () => {
  const bob = await Person.named('revoked', a);
  await bob.addHome(b, { through: a });
  await write(bob, b, 'org.example.good');
  await isCaughtUp(bob, b, a);
  const [[log, { places }]] = await logsOf(bob, a, b.name) as [[string, Json]];
  await write(bob, a, 'org.example.word', { by: 'a' });
  await isAt(bob, b, 'org.example.word', { by: 'a' });
  await write(bob, b, 'org.example.word', { by: 'thief' });
  await bob.at(b).request('PUT', `/v3/profile/${encodeURIComponent(bob.userId)}/m.tz`, { 'm.tz': 'UTC' });
  await bob.at(b).request('DELETE', `/v3/profile/${encodeURIComponent(bob.userId)}/m.tz`);
  await isAt(bob, a, 'org.example.word', { by: 'thief' });
  await isCaughtUp(bob, b, a);
  const [[, { places: all }]] = await logsOf(bob, a, b.name) as [[string, Json]];
  await bob.publish(bob.next({ revoke: [b.name], cuts: { [log]: places } }), a);
  await isAt(bob, a, 'org.example.word', { by: 'a' });
  expect(await read(bob, a, 'org.example.good')).toEqual({ type: 'org.example.good' });
  const profile = await bob.at(a).request('GET', `/v3/profile/${encodeURIComponent(bob.userId)}`);
  expect(profile['m.tz']).toBeUndefined();
  const { logs } = await homes(bob, a);
  expect(logs[log]).toMatchObject({ server_name: null, places, set_aside: { kinds: ['account_data', 'profile'] } });
  // A later record may let more of it count.
  await bob.publish(bob.next({ cuts: { [log]: [[places[0][0] + 1, 'A'.repeat(43)]] } }), a);
  await isAt(bob, a, 'org.example.word', { by: 'a' });
  await bob.publish(bob.next({ cuts: { [log]: all } }), a);
  await isAt(bob, a, 'org.example.word', { by: 'thief' });
}, 60_000);

it('a home that was dropped comes back with another key, and without what was removed meanwhile', async () => {
  const carol = await Person.named('returns', a);
  await carol.addHome(b, { through: a });
  await write(carol, a, 'org.example.old');
  await carol.at(a).request('PUT', `/v3/profile/${encodeURIComponent(carol.userId)}/m.tz`, { 'm.tz': 'UTC' });
  await isAt(carol, b, 'org.example.old');
  await isCaughtUp(carol, a, b);
  const { key } = entryOf(carol, b);
  await carol.publish(carol.next({ drop: [b.name] }), a);
  await write(carol, a, 'org.example.old', { changed: true });
  await carol.at(a).request('DELETE', `/v3/profile/${encodeURIComponent(carol.userId)}/m.tz`);
  await carol.addHome(b, { through: a });
  expect(entryOf(carol, b).key).not.toBe(key);
  await isAt(carol, b, 'org.example.old', { changed: true });
  await eventually(async () => (await carol.at(b).request('GET', `/v3/profile/${encodeURIComponent(carol.userId)}`))['m.tz'] === undefined);
  await isCaughtUp(carol, a, b);
  await isCaughtUp(carol, b, a);
}, 60_000);

it('a phone that had logged in at a home before it was dropped is a device of the account again when it logs in after the return', async () => {
  const hugo = await Person.named('phone', a);
  await hugo.addHome(b, { through: a });
  const { deviceId } = hugo.at(b);
  await isCaughtUp(hugo, b, a);
  const devices = async () => (await hugo.at(a).request('GET', '/v3/devices')).devices.map((one: Json) => one.device_id);
  expect(await devices()).toContain(deviceId);
  // What this home had written counts no more, the phone's login neither.
  await hugo.publish(hugo.next({ revoke: [b.name] }), a);
  await eventually(async () => !(await devices()).includes(deviceId));
  await hugo.addHome(b, { through: a });
  expect(hugo.at(b).deviceId).toBe(deviceId);
  await eventually(async () => (await devices()).includes(deviceId), 10_000);
}, 60_000);

it('a home that lost its memory begins a new log, and gets its old one back from the others', async () => {
  const dave = await Person.named('memory', a);
  await dave.addHome(b, { through: a });
  await write(dave, a, 'org.example.one');
  await isAt(dave, b, 'org.example.one');
  const before = await logsOf(dave, b, a.name);
  await a.get(OperationLog).beginAnew();
  await write(dave, a, 'org.example.two');
  await isAt(dave, b, 'org.example.two');
  // What came is applied before it is stored.
  const after = await eventually(async () => {
    const found = await logsOf(dave, b, a.name);
    return found.length > before.length && found;
  });
  expect([before.length, after.length]).toEqual([1, 2]);
  expect(after.find(([log]) => log === before[0]![0])![1].places).toEqual(before[0]![1].places);
  await isCaughtUp(dave, a, b);
}, 60_000);

it('a record that cuts the log of a home in force, at a branch, lets that home go on in a new log', async () => {
  const gina = await Person.named('bounded', a);
  await gina.addHome(b, { through: a });
  await write(gina, b, 'org.example.before');
  await isCaughtUp(gina, b, a);
  const [[log, { places }]] = await logsOf(gina, a, b.name) as [[string, Json]];
  await write(gina, b, 'org.example.void');
  await isCaughtUp(gina, b, a);
  await gina.publish(gina.next({ cuts: { [log]: places } }), a);
  await eventually(async () => Object.keys((await homes(gina, b)).logs[log].set_aside ?? {}).length > 0);
  await write(gina, b, 'org.example.goes.on');
  await isAt(gina, a, 'org.example.goes.on');
  for (const server of [a, b]) {
    // What it holds is applied before it is stored.
    const logs = await eventually(async () => {
      const found = await logsOf(gina, server, b.name);
      return found.length > 1 && found;
    });
    expect(logs.map(([, one]) => one.places[0][0]).sort((x, y) => x - y)).toEqual([1, places[0][0]]);
    expect(Object.fromEntries(logs)[log]).toMatchObject({ places, set_aside: { count: 1, kinds: ['account_data'] } });
    await isAt(gina, server, 'org.example.void', {});
  }
  await isCaughtUp(gina, b, a);
}, 60_000);

it('an account that lives here alone writes its log too, from what it had before its record on', async () => {
  const client = await net.client(a).register('single');
  await client.request('PUT', dataPath(client, 'org.example.before'), { early: 1 });
  await client.request('POST', '/v3/createRoom', { room_version: 'io.partyline.1' });
  await client.request('PUT', dataPath(client, 'org.example.after'), { late: 1 });
  const log = await eventually(async () => {
    const { logs } = await client.request('GET', `${homesPath}/account/homes`);
    const [only] = Object.values<Json>(logs);
    return only?.places[0][0] >= 3 && only;
  });
  expect(log).toMatchObject({ server_name: a.name });
});

it('a write that asks for two homes is answered when the other has applied it, and names who has', async () => {
  const erin = await Person.named('acknowledged', a);
  await erin.addHome(b, { through: a });
  await isCaughtUp(erin, a, b);
  const put = (type: string, count: number) => erin.at(a).request('PUT', dataPath(erin.at(a), type), { type }, { query: { 'io.partyline.homes': count } });
  for (let i = 0; i < 5; i++) {
    expect((await put(`org.example.j${i}`, 2))['io.partyline.homes']).toEqual([a.name, b.name]);
    expect(await read(erin, b, `org.example.j${i}`)).toEqual({ type: `org.example.j${i}` });
  }
  expect(await put('org.example.alone', 1)).toEqual({ 'io.partyline.homes': [a.name] });
  await erin.at(a).expectError(400, 'M_INVALID_PARAM', 'PUT', dataPath(erin.at(a), 'x'), {}, { query: { 'io.partyline.homes': 9 } });
  await b.stop();
  expect((await put('org.example.late', 2))['io.partyline.homes']).toEqual([a.name]);
}, 60_000);

it('what was replaced or removed is dropped after 90 days, but not while a home lacks it', async () => {
  const frank = await Person.named('purged', a);
  await frank.addHome(b, { through: a });
  const profile = `/v3/profile/${encodeURIComponent(frank.userId)}/m.tz`;
  await write(frank, a, 'org.example.x', { n: 1 });
  await frank.at(a).request('PUT', profile, { 'm.tz': 'UTC' });
  await frank.at(a).request('DELETE', profile);
  await isCaughtUp(frank, a, b);
  await b.stop();
  await write(frank, a, 'org.example.x', { n: 2 });
  const count = async () => (await a.get(Database).query<{ n: number }>(counted, [frank.userId]))[0]!.n;
  const before = await count();
  await a.get(OperationsStore).purge(Date.now() + 1_000);
  expect(await count()).toBe(before);
  await b.start();
  await isAt(frank, b, 'org.example.x', { n: 2 });
  await isCaughtUp(frank, a, b);
  await a.get(OperationsStore).purge(Date.now() + 1_000);
  expect(await count()).toBeLessThan(before);
  expect(await read(frank, a, 'org.example.x')).toEqual({ n: 2 });
  // A home that comes now takes a copy.
  await frank.addHome(c, { through: a });
  await isAt(frank, c, 'org.example.x', { n: 2 });
}, 60_000);
