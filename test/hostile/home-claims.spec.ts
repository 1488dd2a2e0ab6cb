import { homesPath, Person } from '../network/person.js';
import { Network } from '../network/network.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { TravellingClock } from '../network/travelling-clock.js';
import { settles } from '../homes/talk.js';
import { operationHash, recordHash } from '../../libs/federation/src/index.js';
import { HostileHome } from './hostile-home.js';
import { HostileServer } from './hostile-server.js';

// What a home says that it has, before it has shown it (protocol §2, "Versions"; §4, "Causes before clocks").
const clock = new TravellingClock();
let net: Network;
let a: TestServer;
let server: HostileServer;
let count = 0;

beforeAll(async () => {
  net = await Network.start({ servers: ['a'], clock });
  a = net.server('a');
  server = await HostileServer.start();
}, 60_000);
afterAll(async () => {
  server?.hangUp();
  await server?.stop();
  await net?.stop();
});

const people: Record<string, Json> = {};
async function scene(): Promise<{ alice: Person; home: HostileHome }> {
  const alice = await Person.named(`claims${++count}`, a);
  const home = new HostileHome(server, alice.userId);
  server.on(/io\.partyline\/records$/, (_path, { versions }) => ({ records: Object.keys(versions).flatMap((userId) => people[userId] ?? []) }));
  return { alice, home };
}

it('gives a copy at the first request to a home of which it has not heard yet, and none to one that cannot show its record', async () => {
  const { alice, home } = await scene();
  const record = alice.next({ add: [home.entry] });
  const ask = (version: unknown): Promise<{ status: number; body: Json }> =>
    server.raw(a, 'GET', `${home.opsPath.replace(/ops$/, 'snapshot')}?version=${encodeURIComponent(JSON.stringify(version))}`);
  expect((await ask(null)).status).toBe(403);
  expect((await ask([0, 9, recordHash(record)])).status).toBe(403);
  const other = await scene();
  const named = other.alice.next({ add: [other.home.entry] });
  people[other.alice.userId] = named;
  const answer = await server.raw(a, 'GET', `${other.home.opsPath.replace(/ops$/, 'snapshot')}?version=${encodeURIComponent(JSON.stringify([0, named.seq, recordHash(named)]))}`);
  expect([answer.status, answer.body.record]).toEqual([200, named]);
});

it('names an operation that waits for what nobody has, also one that it has asked for', async () => {
  const { alice, home } = await scene();
  await alice.publish(alice.next({ add: [home.entry] }), a);
  const unknown = home.op('account_data', 'x', { never: 'sent' }, { log: home.anotherLog() });
  const waits = home.op('account_data', 'm.direct', { x: 1 }, { after: { [unknown.log]: [[1, operationHash(unknown)]] } });
  server.on(/\/ops\/missing$/, () => ({ ops: [waits], more: false, heads: [home.head(waits)] }));
  await home.hand(a, [], { heads: [home.head(waits)] });
  const waiting = async (): Promise<unknown> => {
    const { homes } = await alice.at(a).request('GET', `${homesPath}/account/homes`);
    return homes.find(({ server_name: name }: Json) => name === server.name).waiting;
  };
  await settles(() => expect(server.requests.some(({ path }) => path.endsWith('/ops/missing'))).toBe(true));
  await settles(async () => {
    clock.aheadMs += 61_000;
    expect(await waiting()).toEqual([[waits.log, 1]]);
  });
});
