import { operationHash, type AccountOperation } from '../../libs/federation/src/index.js';
import { LogSizes } from '../../apps/homeserver/src/homes/ops/log-sizes.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileHome } from './hostile-home.js';
import { HostileServer } from './hostile-server.js';
import { dataPath, write as put } from '../homes/written.js';

// What one account's log may take here, whoever writes it, and that nobody else pays for it (protocol §4, "Bounds"; §8a).
const MIB = 1024 * 1024;
const size = statement('test.log_size', 'SELECT coalesce(sum(octet_length(value)), 0)::bigint AS bytes, count(*)::int AS count FROM account_ops WHERE user_id = $1');
let net: Network;
let a: TestServer;
let b: TestServer;
let evil: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  evil = await HostileServer.start();
  for (const server of [a, b]) server.get(LogSizes).bounds = { kept: 8 * MIB, own: 6 * MIB, replaced: 4 * MIB };
}, 90_000);
afterAll(async () => {
  await evil?.stop();
  await net?.stop();
});

const isAt = (person: Person, at: TestServer, type: string) =>
  eventually(async () => (await person.at(at).raw('GET', dataPath(person.at(at), type))).status === 200, 15_000);
const stored = async (userId: string, at = a): Promise<{ bytes: number; count: number }> => {
  const [row] = await at.get(Database).query<{ bytes: number; count: number }>(size, [userId]);
  return { bytes: Number(row!.bytes), count: row!.count };
};
/** Account data is JSON text in operations. */
const data = (content: Json): string => JSON.stringify(content);
const text = (bytes: number): string => 'x'.repeat(bytes);
async function victim(label: string): Promise<{ person: Person; home: HostileHome }> {
  const person = await Person.named(label, a);
  const home = new HostileHome(evil, person.userId);
  await person.publish(person.next({ add: [home.entry] }), a);
  await person.addHome(b, { through: a });
  return { person, home };
}

it('a home that writes without end is told that it is too much; the others write on', async () => {
  const { person, home } = await victim('flooded');
  const refused: Json[] = [];
  let prev: AccountOperation | null = null;
  for (let call = 0; call < 8; call++) {
    const ops = Array.from({ length: 8 }, (_, i) => (prev = home.op('account_data', `org.example.${call}.${i}`, data({ text: text(300_000) }), { prev })));
    refused.push(...(await home.hand(a, ops)).body.refused);
  }
  expect(refused.length).toBeGreaterThan(0);
  expect(new Set(refused.map(([log, , why]) => `${log} ${why}`))).toEqual(new Set([`${home.log} too much`]));
  expect((await stored(person.userId)).bytes).toBeLessThan(9 * MIB);
  // Another log of the same key counts with it; the other homes' do not.
  const more = Array.from({ length: 8 }, (_, i) => home.op('account_data', `org.example.more.${i}`, data({ text: text(300_000) }), { log: home.anotherLog() }));
  expect((await home.hand(a, more)).body.refused).toHaveLength(8);
  await put(person, b, 'org.example.from.b');
  await isAt(person, a, 'org.example.from.b');
  await put(person, a, 'org.example.from.a');
  await isAt(person, b, 'org.example.from.a');
}, 60_000);

it('what was replaced goes before its time when it is much, and what counts stays', async () => {
  const { person, home } = await victim('replaced');
  let prev: AccountOperation | null = null;
  for (let call = 0; call < 6; call++) {
    const ops = Array.from({ length: 8 }, () => (prev = home.op('account_data', 'org.example.same', data({ text: text(300_000), call }), { prev })));
    expect((await home.hand(a, ops)).body.refused).toEqual([]);
  }
  await eventually(async () => (await stored(person.userId)).bytes < 5 * MIB);
  expect((await person.at(a).request('GET', dataPath(person.at(a), 'org.example.same'))).call).toBe(5);
  // Another home gets what counts, though the way there is gone.
  await isAt(person, b, 'org.example.same');
}, 60_000);

it('a thief of a home\'s key pushes out nothing that a cut brings back, however much he writes', async () => {
  const { person, home } = await victim('pushed.out');
  // What the home wrote before, some hours ago, and replaced itself.
  let prev: AccountOperation | null = null;
  const before = Array.from({ length: 3 }, (_, i) => (prev = home.op('account_data', `org.example.good.${i}`, data({ good: i }), { prev })));
  expect((await home.hand(a, before)).body.refused).toEqual([]);
  await a.get(Database).query(statement('test.age', 'UPDATE account_ops SET stored_ts = stored_ts - 7200000 WHERE user_id = $1'), [person.userId]);
  const good = prev!;
  for (let call = 0; call < 8; call++) {
    const ops = Array.from({ length: 8 }, (_, i) => (prev = home.op('account_data', `org.example.good.${i % 3}`, data({ text: text(300_000), call }), { prev })));
    expect((await home.hand(a, ops)).body.refused).toEqual([]);
  }
  await eventually(async () => (await stored(person.userId)).bytes < 5 * MIB);
  await person.publish(person.next({ revoke: [evil.name], cuts: { [home.log]: [[good.n, operationHash(good)]] } }), a);
  for (let i = 0; i < 3; i++) await eventually(async () => (await person.at(a).request('GET', dataPath(person.at(a), `org.example.good.${i}`))).good === i, 15_000);
}, 60_000);

it('its own client is refused more than others would take, until something is removed', async () => {
  const person = await Person.named('hoarder', a);
  await person.addHome(b, { through: a });
  const answers: number[] = [];
  for (let i = 0; i < 20; i++) answers.push((await person.at(a).raw('PUT', dataPath(person.at(a), `org.example.${i}`), { text: text(500_000) })).status);
  expect(new Set(answers)).toEqual(new Set([200, 413]));
  expect((await stored(person.userId)).bytes).toBeLessThan(7 * MIB);
  // What others need, and what takes nothing away from them, goes on.
  await person.login(a, 'ANOTHER');
  await isAt(person, b, 'org.example.0');
}, 60_000);

it('a page, a copy and a comparison are as large as a page, whatever is in the log', async () => {
  const { person, home } = await victim('large');
  let prev: AccountOperation | null = null;
  const ops = Array.from({ length: 15 }, (_, i) => (prev = home.op('account_data', `org.example.${i}`, data({ text: text(500_000) }), { prev })));
  expect((await home.hand(a, ops)).body.refused).toEqual([]);
  const pages: number[] = [];
  const seen = new Set<string>();
  for (let since: Json = {}; ;) {
    const page = await evil.raw(a, 'POST', `${home.opsPath}/missing`, { since });
    pages.push(page.bytes.length);
    for (const op of page.body.ops) {
      since = { ...since, [op.log]: [[op.n, operationHash({ ...op, user_id: person.userId })]] };
      seen.add(op.key);
    }
    if (!page.body.more) break;
  }
  expect(Math.max(...pages)).toBeLessThan(2 * MIB);
  for (const { key } of ops) expect(seen).toContain(key);
}, 60_000);

it('ends of logs without number are asked for all the same', async () => {
  const { person, home } = await victim('many.ends');
  const names = Array.from({ length: 32 }, () => home.anotherLog());
  for (const log of names) {
    const first = home.op('account_data', 'org.example.word', data({ log }), { log });
    const forks = Array.from({ length: 4 }, (_, ms) => home.op('account_data', 'org.example.word', data({ log, ms }), { log, ms, prev: first }));
    await home.hand(a, [first, ...forks]);
  }
  // B has to ask for what A has of these, with its own ends.
  await put(person, a, 'org.example.after');
  await isAt(person, b, 'org.example.after');
  await put(person, b, 'org.example.back');
  await isAt(person, a, 'org.example.back');
}, 120_000);

it('a flood of one account is no reason for others to wait', async () => {
  const { home } = await victim('flood');
  const carol = await Person.named('carol', a);
  await carol.addHome(b, { through: a });
  await put(carol, a, 'org.example.first');
  await isAt(carol, b, 'org.example.first');
  const before = process.memoryUsage().rss;
  let isOver = false;
  let most = 0;
  const flood = async (): Promise<void> => {
    while (!isOver) {
      const ops = Array.from({ length: 14 }, (_, i) => home.op('account_data', `org.example.${i}`, data({ text: text(500_000) })));
      await Promise.all([home.hand(a, ops), evil.raw(a, 'POST', `${home.opsPath}/missing`, { since: {} }), evil.raw(a, 'GET', home.opsPath.replace(/ops$/, 'snapshot'))]);
      most = Math.max(most, process.memoryUsage().rss);
    }
  };
  const floods = Promise.all([flood(), flood(), flood()]);
  for (let i = 0; i < 10; i++) {
    await put(carol, a, `org.example.during.${i}`);
    await isAt(carol, b, `org.example.during.${i}`);
  }
  isOver = true;
  await floods;
  // Both servers, the hostile one and the test are one process: its bodies are in it several times.
  expect((most - before) / MIB).toBeLessThan(600);
}, 120_000);
