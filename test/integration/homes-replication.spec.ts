import { logName } from '../../libs/federation/src/index.js';
import { FederationClient, federationPath } from '../../apps/homeserver/src/federation/federation-client.js';
import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

const dataPath = (client: TestClient, type: string) => `/v3/user/${encodeURIComponent(client.userId)}/account_data/${type}`;
const put = (client: TestClient, type: string, content: Json) => client.request('PUT', dataPath(client, type), content);
const get = (client: TestClient, type: string): Promise<Json> => client.request('GET', dataPath(client, type)).catch(() => null);
const holds = (client: TestClient, type: string, content: Json) =>
  eventually(async () => JSON.stringify(await get(client, type)) === JSON.stringify(content) || Promise.reject(new Error(JSON.stringify(await get(client, type)))));
const opsPath = (userId: string) => federationPath`/_matrix/federation/unstable/io.partyline/account/${userId}/ops`;

describe('an account with two homes', () => {
  let net: Network;
  let a: TestServer;
  let b: TestServer;
  let c: TestServer;
  let alice: Person;

  beforeAll(async () => {
    net = await Network.start({ servers: ['a', 'b', 'c'] });
    [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
    alice = await Person.named('alice', a);
    await put(alice.at(a), 'org.example.old', { from: 'before', order: 0.5 });
    await alice.addHome(b);
  });
  afterAll(() => net.stop());

  it('has on the second what it had on the first', async () => {
    await holds(alice.at(b), 'org.example.old', { from: 'before', order: 0.5 });
  });

  it('has on each what was changed on the other', async () => {
    await put(alice.at(a), 'org.example.x', { from: 'a' });
    await holds(alice.at(b), 'org.example.x', { from: 'a' });
    await put(alice.at(b), 'org.example.x', { from: 'b' });
    await holds(alice.at(a), 'org.example.x', { from: 'b' });
    await alice.at(b).request('PUT', `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Alice B' });
    await eventually(async () => (await alice.at(a).request('GET', `/v3/profile/${encodeURIComponent(alice.userId)}`)).displayname === 'Alice B');
  });

  it('wakes a sync at one home when something changes at the other, and shows the vector', async () => {
    const { next_batch: since } = await alice.at(b).request('GET', '/v3/sync', undefined, { query: { 'io.partyline.frontier': true } });
    const waiting = alice.at(b).request('GET', '/v3/sync', undefined, { query: { since, timeout: 20_000, 'io.partyline.frontier': true } });
    await put(alice.at(a), 'org.example.wake', { up: true });
    const answer = await waiting;
    expect(answer.account_data.events).toContainEqual({ type: 'org.example.wake', content: { up: true } });
    expect(Object.values(answer['io.partyline.account'])).toContainEqual(expect.any(Number));
  });

  it('keeps what was written last while they could not speak, on both', async () => {
    await b.stop();
    await put(alice.at(a), 'org.example.split', { from: 'a' });
    await a.stop();
    await b.start();
    await put(alice.at(b), 'org.example.split', { from: 'b, later' });
    await put(alice.at(b), 'org.example.onlyb', { from: 'b' });
    await a.start();
    for (const server of [a, b]) {
      await holds(alice.at(server), 'org.example.split', { from: 'b, later' });
      await holds(alice.at(server), 'org.example.onlyb', { from: 'b' });
    }
  });

  it('goes on after one of them was killed in the middle', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => put(alice.at(a), `org.example.k${i}`, { i })));
    await a.crash();
    await a.start();
    await Promise.all(Array.from({ length: 20 }, (_, i) => holds(alice.at(b), `org.example.k${i}`, { i })));
    const { homes } = await eventually(async () => {
      const answer = await alice.at(a).request('GET', `${homesPath}/account/homes`);
      return answer.homes.find((home: Json) => home.server_name === b.name).ops_behind === 0 && answer;
    });
    expect(homes.map((home: Json) => home.server_name).sort()).toEqual([a.name, b.name].sort());
  });

  it('brings the operations of a dead home along from another that has them', async () => {
    await put(alice.at(a), 'org.example.legacy', { from: 'a' });
    await holds(alice.at(b), 'org.example.legacy', { from: 'a' });
    // Who has never had to do with a domain cannot tell, once it is dead, whose name it gave.
    await c.get(KeyRing).listed(a.name);
    await a.stop();
    try {
      await alice.addHome(c, { through: b });
      await holds(alice.at(c), 'org.example.legacy', { from: 'a' });
      await put(alice.at(c), 'org.example.new', { from: 'c' });
      await holds(alice.at(b), 'org.example.new', { from: 'c' });
    } finally {
      await a.start();
    }
    await holds(alice.at(a), 'org.example.new', { from: 'c' });
  });

  describe('refuses', () => {
    it('servers that are no home', async () => {
      const other = await Person.named('other', a);
      const ask = c.get(FederationClient).request({ destination: a.name, method: 'POST', path: `${opsPath(other.userId)}/missing`, body: { since: {} }, ignoreBackoff: true });
      await expect(ask).rejects.toMatchObject({ remoteStatus: 403 });
      const snapshot = c.get(FederationClient).request({ destination: a.name, method: 'GET', path: opsPath(other.userId).replace(/ops$/, 'snapshot'), ignoreBackoff: true });
      await expect(snapshot).rejects.toMatchObject({ remoteStatus: 403 });
    });

    it('operations with a wrong signature, of a log of no home, and what is none, and says why', async () => {
      const log = logName(alice.userId, alice.record.homes.find((home) => home.server_name === c.name)!.key, 'another000');
      const op = { log, n: 1, prev: null, after: {}, home: c.name, ms: 1, kind: 'account_data', key: 'x', value: '"{}"', signature: 'A'.repeat(86) };
      const push = (ops: object[]): Promise<Json> => c.get(FederationClient).request({ destination: b.name, method: 'POST', path: opsPath(alice.userId), body: { ops } });
      const stranger = logName(alice.userId, 'key', 'another000');
      expect((await push([op, { ...op, log: stranger }, { ...op, n: 0 }])).refused).toEqual([[log, 0, 'malformed'], [log, 1, 'signature'], [stranger, 1, 'no key']]);
      expect((await get(alice.at(b), 'x'))).toBeNull();
    });
  });
});
