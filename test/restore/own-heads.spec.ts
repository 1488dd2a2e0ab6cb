import { DatabaseEpoch } from '../../apps/homeserver/src/storage/database-epoch.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { isCaughtUp } from '../homes/talk.js';

const path = (client: TestClient, type: string): string => `/v3/user/${encodeURIComponent(client.userId)}/account_data/${type}`;
const put = (client: TestClient, type: string, value: string): Promise<Json> => client.request('PUT', path(client, type), { value });
const has = (client: TestClient, type: string, value: string): Promise<unknown> =>
  eventually(async () => (await client.request('GET', path(client, type))).value === value, 20_000);

let net: Network;
let a: TestServer;
let b: TestServer;
let c: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
}, 90_000);
afterAll(() => net?.stop());

it('a home that is restored learns it from a head of its own key alone, of which nobody has the operations any more', async () => {
  const alice = await Person.named('alice', a);
  await alice.addHome(b, { through: a });
  await alice.addHome(c, { through: a });
  await put(alice.at(a), 'test.first', 'before');
  for (const server of [b, c]) await has(alice.at(server), 'test.first', 'before');
  const entry = await alice.offer(c);
  expect(entry.server_name).toBe(c.name);
  await alice.publish(alice.next({ drop: [c.name] }), a);
  const backup = await net.backUp('a');
  const { epoch } = a.get(DatabaseEpoch);
  for (const value of ['one', 'two', 'three']) await put(alice.at(a), 'test.first', value);
  await put(alice.at(a), 'test.second', 'lost');
  await has(alice.at(b), 'test.second', 'lost');
  // C comes again with a copy, which skips what was replaced.
  await alice.addHome(c, { through: a });
  await has(alice.at(c), 'test.second', 'lost');
  await isCaughtUp(alice, a, c);
  await isCaughtUp(alice, c, b);
  await b.stop();
  await net.restore('a', backup, 'nothing');
  await put(alice.at(a), 'test.fourth', 'written before anybody spoke');
  await put(alice.at(c), 'test.third', 'of the other');
  await has(alice.at(a), 'test.third', 'of the other');
  await has(alice.at(a), 'test.second', 'lost');
  await eventually(() => a.get(DatabaseEpoch).epoch !== epoch, 20_000);
  await put(alice.at(a), 'test.second', 'after');
  await has(alice.at(c), 'test.second', 'after');
  await has(alice.at(c), 'test.fourth', 'written before anybody spoke');
  await isCaughtUp(alice, a, c);
}, 120_000);
