import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { HostileHome } from '../hostile/hostile-home.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { isCaughtUp } from './talk.js';
import { isAt, read, write } from './written.js';

// What a record cuts off counts no more, at every home, also at one that dies in between (protocol §4, "Former homes").
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
const data = (content: Json): string => JSON.stringify(content);

it('a server that dies after it has stored what counts, and before it shows that, shows it when it is back', async () => {
  const person = await Person.named('dies', a);
  await person.addHome(b, { through: a });
  await write(person, a, 'org.example.word', { by: 'owner' });
  await isAt(person, b, 'org.example.word', { by: 'owner' });
  await isCaughtUp(person, b, a);
  const [log, { places }] = Object.entries<Json>(await logs(person, a)).find(([, one]) => one.server_name === b.name)!;
  await write(person, b, 'org.example.word', { by: 'thief' });
  await isAt(person, a, 'org.example.word', { by: 'thief' });
  await isCaughtUp(person, b, a);
  // Whoever holds the table keeps A from showing what it has stored.
  const { promise: isReleased, resolve: release } = Promise.withResolvers<void>();
  const { promise: isHeld, resolve: hold } = Promise.withResolvers<void>();
  const holding = a.get(Database).transaction(async (tx) => {
    await tx.query(statement('test.hold', 'LOCK TABLE account_data IN EXCLUSIVE MODE'));
    hold();
    await isReleased;
  }).catch(() => undefined);
  await isHeld;
  await person.publish(person.next({ revoke: [b.name], cuts: { [log]: places } }), a);
  await eventually(async () => (await logs(person, a))[log].set_aside !== undefined, 15_000);
  expect(await read(person, a, 'org.example.word')).toEqual({ by: 'thief' });
  await a.crash();
  release();
  await holding;
  await a.start();
  await isAt(person, a, 'org.example.word', { by: 'owner' });
}, 60_000);

it('a cut that names a branch of a home in force voids the other branch, and lets that home go on in another log', async () => {
  const person = await Person.named('branch', a);
  const home = new HostileHome(evil, person.userId);
  await person.publish(person.next({ add: [home.entry] }), a);
  await person.addHome(b, { through: a });
  await isCaughtUp(person, a, b);
  await eventually(async () => (await home.hand(b, [])).status === 200);
  const base = home.op('account_data', 'org.example.base', data({ base: 1 }));
  const [one, other] = ['one', 'other'].map((word) => home.op('account_data', 'org.example.word', data({ word }), { prev: base })) as [Json, Json];
  await home.hand(a, [base, one]);
  await home.hand(b, [base, other]);
  for (const server of [a, b]) await eventually(async () => (await logs(person, server))[home.log]?.places.length === 2, 15_000);
  const { places } = (await logs(person, a))[home.log];
  const kept = places.find(([, hash]: [number, string]) => hash === home.head(one as never).hash);
  await person.publish(person.next({ cuts: { [home.log]: [kept] } }), a);
  for (const server of [a, b]) {
    await eventually(async () => JSON.stringify((await logs(person, server))[home.log].places) === JSON.stringify([kept]), 15_000);
    await isAt(person, server, 'org.example.word', { word: 'one' });
    await isAt(person, server, 'org.example.base', { base: 1 });
  }
  // What it writes behind the cut counts nowhere; another log of its key does.
  const behind = home.op('account_data', 'org.example.behind', data({ x: 1 }), { prev: one as never });
  for (const server of [a, b]) expect((await home.hand(server, [behind])).body.refused.map(([, , why]: Json) => why)).toEqual(['revoked']);
  const log = home.anotherLog();
  await home.hand(a, [home.op('account_data', 'org.example.goes.on', data({ x: 1 }), { log })]);
  for (const server of [a, b]) await isAt(person, server, 'org.example.goes.on', { x: 1 });
  for (const server of [a, b]) expect(await read(person, server, 'org.example.behind')).not.toEqual({ x: 1 });
}, 60_000);
