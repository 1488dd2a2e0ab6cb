import { bucketOf, MAX_LOGS_OF_KEY, operationHash, type AccountOperation } from '../../libs/federation/src/index.js';
import { OperationsStore } from '../../apps/homeserver/src/homes/ops/operations.store.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { within } from '../network/within.js';
import { isCaughtUp } from '../homes/talk.js';
import { HostileHome } from './hostile-home.js';
import { HostileServer } from './hostile-server.js';
import { isAt, write } from '../homes/written.js';

// A home that writes logs without end, or others to each home: what the honest ones write still arrives (protocol §4, "Logs of a key").
let net: Network;
let a: TestServer;
let b: TestServer;
let evil: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  evil = await HostileServer.start();
}, 90_000);
afterAll(async () => {
  await evil?.stop();
  await net?.stop();
});

const logs = async (person: Person, at: TestServer): Promise<Json> => (await person.at(at).request('GET', `${homesPath}/account/homes`)).logs;

/** A person at a and b, with a hostile third home. */
async function victim(label: string): Promise<{ person: Person; home: HostileHome }> {
  const person = await Person.named(label, a);
  const home = new HostileHome(evil, person.userId);
  await person.publish(person.next({ add: [home.entry] }), a);
  await person.addHome(b, { through: a });
  await isCaughtUp(person, a, b);
  await eventually(async () => (await home.hand(b, [])).status === 200);
  return { person, home };
}

it('a home that begins logs without end does not make the others\' writes unreadable', async () => {
  const { person, home } = await victim('endless.logs');
  const names = Array.from({ length: 300 }, () => home.anotherLog()).sort().reverse();
  for (let at = 0; at < names.length; at += 100) await home.hand(a, names.slice(at, at + 100).map((log) => home.op('account_data', 'org.example.flood', '{}', { log })));
  await write(person, a, 'org.example.after');
  await isAt(person, b, 'org.example.after');
  // Logs that never count go when what came with them has been applied.
  for (const server of [a, b]) await eventually(async () => Object.keys(await logs(person, server)).length <= MAX_LOGS_OF_KEY + 2);
}, 60_000);

it('a home that shows other logs to each home does not hold up what they wrote after them', async () => {
  const { person, home } = await victim('other.logs');
  const names = Array.from({ length: 64 }, () => home.anotherLog()).sort();
  const op = (log: string) => home.op('account_data', 'org.example.word', '{}', { log });
  await home.hand(b, names.slice(0, 32).map(op));
  await home.hand(a, names.slice(32).map(op));
  await write(person, a, 'org.example.after');
  await isAt(person, b, 'org.example.after');
  await write(person, b, 'org.example.back');
  await isAt(person, a, 'org.example.back');
}, 60_000);

it('a home that forks its log without end, another way for each home, holds up nobody and is not kept without end', async () => {
  const { person, home } = await victim('branches');
  const branches = Array.from({ length: 150 }, (_, ms) => home.op('account_data', 'org.example.word', JSON.stringify({ ms }), { ms }))
    .sort((p, q) => (operationHash(p) < operationHash(q) ? -1 : 1));
  const high: AccountOperation[] = branches.slice(-3);
  await home.hand(b, branches.slice(0, 100).reverse().slice(20));
  await home.hand(b, branches.slice(0, 100));
  await home.hand(a, high);
  await write(person, a, 'org.example.after');
  await isAt(person, b, 'org.example.after');
  const { body } = await home.hand(b, high);
  expect(body.refused.map(([, , why]: [string, number, string]) => why)).toEqual(['too many branches', 'too many branches', 'too many branches']);
  const shown = async (server: TestServer) => JSON.stringify((await logs(person, server))[home.log].places);
  await eventually(async () => (await shown(a)) === (await shown(b)), 15_000);
}, 60_000);

it('an item that is removed in many logs, each knowing of many, is compared as quickly as another', async () => {
  const { person, home } = await victim('many.removals');
  const names = Array.from({ length: 32 }, () => home.anotherLog()).sort();
  // Long ago, by their own clock, so that comparing leaves out what they knew of.
  const firsts = names.map((log) => home.op('account_data', 'org.example.gone', '{}', { log, ms: 1 }));
  expect((await home.hand(a, firsts)).body.refused).toEqual([]);
  const after = (own: string) => Object.fromEntries(firsts.filter(({ log }) => log !== own).map((op) => [op.log, [[1, operationHash(op)]] as [number, string][]]));
  const removals = firsts.map((prev) => home.op('account_data', 'org.example.gone', null, { log: prev.log, prev, ms: 2, after: after(prev.log) }));
  expect((await home.hand(a, removals)).body.refused).toEqual([]);
  await within(10_000, async () => {
    for (let i = 0; i < 20; i++) await a.get(OperationsStore).buckets(person.userId, [bucketOf('account_data', 'org.example.gone')], Date.now());
  });
  await write(person, a, 'org.example.after');
  await isAt(person, b, 'org.example.after');
}, 60_000);

it('made-up keys in a copy leave nothing', async () => {
  const { person, home } = await victim('made-up');
  const wire = Array.from({ length: 50 }, () => {
    const other = new HostileHome(evil, person.userId);
    return other.head({ n: 5, hash: 'A'.repeat(43) });
  });
  evil.on(new RegExp(`account/${person.userId}/ops`), () => ({ ops: [], more: false, snapshot_needed: true, heads: wire }));
  evil.on(new RegExp(`account/${person.userId}/snapshot`), () => ({ record: person.record, heads: [home.head({ n: 7, hash: 'A'.repeat(43) }), ...wire], rooms: {}, ops: [] }));
  await home.hand(a, [], { heads: [home.head({ n: 7, hash: 'A'.repeat(43) })] });
  await eventually(async () => (await logs(person, a))[home.log] !== undefined);
  expect(Object.keys(await logs(person, a))).toHaveLength(3);
}, 60_000);

it('what is handed over of an account at once is bounded in bytes', async () => {
  const person = await Person.named('large', a);
  const home = new HostileHome(evil, person.userId);
  await person.publish(person.next({ add: [home.entry] }), a);
  let prev: AccountOperation | null = null;
  const ops = Array.from({ length: 10 }, (_, i) => (prev = home.op('account_data', `org.example.${i}`, 'x'.repeat(10_000), { prev })));
  expect((await home.hand(a, ops)).body.refused).toEqual([]);
  const store = a.get(OperationsStore);
  const hashes = async (maxBytes: number) => (await store.keptOf(person.userId, maxBytes)).map(({ hash }) => hash);
  const all = await hashes(1e9);
  const some = await hashes(50_000);
  expect(all).toEqual(expect.arrayContaining(ops.map(operationHash)));
  expect(some).toEqual(all.slice(0, some.length));
  expect([some.length >= 4, some.length < all.length]).toEqual([true, true]);
});
