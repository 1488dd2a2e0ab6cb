import { DatabaseEpoch } from '../../apps/homeserver/src/storage/database-epoch.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

const path = (client: TestClient, type: string): string => `/v3/user/${encodeURIComponent(client.userId)}/account_data/${type}`;
const put = (client: TestClient, type: string, value: string): Promise<Json> => client.request('PUT', path(client, type), { value });
const has = (client: TestClient, type: string, value: string): Promise<unknown> =>
  eventually(async () => (await client.request('GET', path(client, type))).value === value, 20_000);

describe.each(['database', 'nothing'] as const)('a home that is restored, and notices it by %s', (noticed) => {
  let net: Network;
  let a: TestServer;
  let b: TestServer;
  let alice: Person;
  beforeEach(async () => {
    net = await Network.start({ servers: ['a', 'b'] });
    [a, b] = net.servers as [TestServer, TestServer];
    alice = await Person.named('alice', a);
    await alice.addHome(b);
    await put(alice.at(a), 'test.first', 'before');
    await has(alice.at(b), 'test.first', 'before');
  });
  afterEach(() => net.stop());

  it('gets its own lost writes back, and what it writes then reaches the other one', async () => {
    const backup = await net.backUp('a');
    const { epoch } = a.get(DatabaseEpoch);
    await put(alice.at(a), 'test.first', 'lost');
    await put(alice.at(a), 'test.second', 'lost, too');
    await has(alice.at(b), 'test.second', 'lost, too');
    await put(alice.at(b), 'test.third', 'of the other');
    await has(alice.at(a), 'test.third', 'of the other');
    await net.restore('a', backup, noticed);
    await put(alice.at(a), 'test.fourth', 'written before anybody spoke');
    for (const [type, value] of [['test.first', 'lost'], ['test.second', 'lost, too'], ['test.third', 'of the other']] as const) {
      await has(alice.at(a), type, value);
    }
    await has(alice.at(b), 'test.fourth', 'written before anybody spoke');
    await put(alice.at(a), 'test.second', 'after');
    await has(alice.at(b), 'test.second', 'after');
    expect(a.get(DatabaseEpoch).epoch).not.toBe(epoch);
    expect(await alice.at(a).request('GET', `${homesPath}/account/homes`)).toMatchObject({ restored_ts: expect.any(Number) });
    expect(await alice.at(b).request('GET', `${homesPath}/account/homes`)).not.toHaveProperty('restored_ts');
  });

  it('learns that it was dropped meanwhile', async () => {
    const backup = await net.backUp('a');
    await alice.publish(alice.next({ drop: [a.name] }), b);
    await eventually(async () => (await alice.at(a).raw('GET', '/v3/account/whoami')).status === 401);
    await net.restore('a', backup, noticed);
    await eventually(async () => (await alice.at(a).raw('GET', '/v3/account/whoami')).status !== 200, 20_000);
    await alice.at(b).request('GET', '/v3/account/whoami');
  });
});

it('two homes that are restored at once have what either of them still has, and go on', async () => {
  const net = await Network.start({ servers: ['a', 'b'] });
  try {
    const [a, b] = net.servers as [TestServer, TestServer];
    const alice = await Person.named('alice', a);
    await alice.addHome(b);
    await put(alice.at(a), 'test.first', 'before');
    await has(alice.at(b), 'test.first', 'before');
    const older = await net.backUp('a');
    await put(alice.at(a), 'test.of.a', 'kept by b');
    await has(alice.at(b), 'test.of.a', 'kept by b');
    await put(alice.at(b), 'test.of.b', 'kept by b');
    await has(alice.at(a), 'test.of.b', 'kept by b');
    const younger = await net.backUp('b');
    await put(alice.at(b), 'test.lost', 'lost by both');
    await has(alice.at(a), 'test.lost', 'lost by both');
    await put(alice.at(a), 'test.lost', 'lost by both, again');
    await has(alice.at(b), 'test.lost', 'lost by both, again');
    await Promise.all([net.restore('a', older, 'nothing'), net.restore('b', younger, 'nothing')]);
    // Each writes under numbers that it has given before.
    await put(alice.at(a), 'test.new.a', 'of a');
    await put(alice.at(b), 'test.new.b', 'of b');
    for (const client of [alice.at(a), alice.at(b)]) {
      for (const [type, value] of [['test.of.a', 'kept by b'], ['test.of.b', 'kept by b'], ['test.new.a', 'of a'], ['test.new.b', 'of b'], ['test.first', 'before']] as const) {
        await has(client, type, value);
      }
    }
    await put(alice.at(a), 'test.after', 'a');
    await has(alice.at(b), 'test.after', 'a');
    await put(alice.at(b), 'test.after', 'b');
    await has(alice.at(a), 'test.after', 'b');
  } finally {
    await net.stop();
  }
}, 120_000);
