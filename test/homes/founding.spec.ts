import { nextHomeRecord } from '#e2e';
import { HomeRecords } from '../../apps/homeserver/src/homes/records/home-records.js';
import { FederationClient } from '../../apps/homeserver/src/federation/federation-client.js';
import { genesisHash } from '../../libs/federation/src/index.js';
import { Network } from '../network/network.js';
import { confirmed, homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { TravellingClock } from '../network/travelling-clock.js';

const HOUR = 3_600_000;

// The first genesis of an account (protocol §2, "Named accounts").
describe('the first genesis of an account that exists', () => {
  const clock = new TravellingClock();
  let net: Network;
  let a: TestServer;
  let b: TestServer;
  let labels = 0;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a', 'b'], clock });
    [a, b] = net.servers as [TestServer, TestServer];
  });
  afterAll(() => net.stop());

  const ordinary = async (): Promise<{ label: string; client: TestClient }> => {
    const label = `ordinary${++labels}`;
    return { label, client: await net.client(a).register(label) };
  };
  const put = async (record: object, server = a): Promise<number> => (await net.client(server).raw('PUT', `${homesPath}/account/record`, { record })).status;
  const tell = (record: object): Promise<Json> =>
    a.get(FederationClient).request({ destination: b.name, method: 'POST', path: '/_matrix/federation/unstable/io.partyline/record', body: record });
  const genesisAt = async (server: TestServer, userId: string): Promise<Json> => (await server.get(HomeRecords).get(userId))?.genesis;
  const notices = async (client: TestClient): Promise<Json[]> =>
    ((await client.request('GET', '/v3/sync')).to_device?.events ?? []).filter((event: Json) => event.type === 'io.partyline.genesis');

  it('takes its owner, not a token', async () => {
    const { client, label } = await ordinary();
    const answer = await client.raw('POST', `${homesPath}/account/attach`, { user_id: client.userId, genesis: {} });
    expect(answer).toMatchObject({ status: 401, body: { flows: [{ stages: ['m.login.password'] }] } });
    const person = await Person.ofAccount(label, a, client);
    expect(person.record.endorsement_terms).toEqual({ provisional: true });
  });

  it('is told to all sessions', async () => {
    const { client, label } = await ordinary();
    const other = await net.client(a).login(label);
    const { record } = await Person.ofAccount(label, a, client);
    for (const session of [client, other]) {
      expect(await notices(session)).toMatchObject([{ sender: client.userId, content: { genesis_sha256: genesisHash(record.genesis), provisional: true } }]);
    }
  });

  it('keeps the domain among the homes as long as it is provisional, whatever is left out of the record', async () => {
    const { client, label } = await ordinary();
    const person = await Person.ofAccount(label, a, client);
    await tell(person.record);
    const entry = await person.offer(b);
    const away = person.next({ add: [entry], drop: [a.name] });
    const { endorsement_terms: _terms, signature: _signature, ...bare } = away;
    const passedOff = nextHomeRecord({ ...bare, seq: bare.seq - 1, signature: '' } as never, {}, person.key);
    for (const record of [away, passedOff]) {
      expect([await put(record), await put(record, b)]).toEqual([403, 403]);
    }
    await person.publish(person.next({ add: [entry] }), a);
  });

  it('gives way to another one of the owner\'s, everywhere', async () => {
    const { client, label } = await ordinary();
    const thief = await Person.ofAccount(label, a, client);
    await tell(thief.record);
    clock.aheadMs += 71 * HOUR;
    const owner = await Person.ofAccount(label, a, await net.client(a).login(label));
    expect(owner.record.endorsement_terms).toEqual({ provisional: true, supersedes: genesisHash(thief.record.genesis) });
    await tell(owner.record);
    expect([await genesisAt(a, client.userId), await genesisAt(b, client.userId)]).toEqual([owner.record.genesis, owner.record.genesis]);
    // And the thief's does not come back.
    expect([await put(thief.next({})), await put(thief.next({}), b)]).toEqual([403, 403]);
  });

  it('is final after 72 hours, and gives way to nothing then', async () => {
    const { client, label } = await ordinary();
    const person = await Person.ofAccount(label, a, client);
    await tell(person.record);
    const ask = () => client.request('POST', `${homesPath}/account/attach`, { user_id: client.userId });
    clock.aheadMs += 71 * HOUR;
    expect(await ask()).not.toHaveProperty('endorsement');
    clock.aheadMs += 2 * HOUR;
    const { endorsement } = await ask();
    await person.publish(person.next({ endorsement }), a);
    await tell(person.record);
    const entry = await person.offer(b);
    await person.publish(person.next({ add: [entry], drop: [a.name] }), b);
    expect(await genesisAt(b, client.userId)).toEqual(person.record.genesis);
    await net.client(a).expectError(403, 'M_FORBIDDEN', 'POST', '/v3/login', { type: 'm.login.password', identifier: { type: 'm.id.user', user: label }, password: `password of ${label}` });
  });

  it('comes with the registration for a new account, and is final at once', async () => {
    const person = await Person.named('newborn', a);
    expect(person.record).not.toHaveProperty('endorsement_terms');
    await tell(person.record);
    const other = await Person.named('other', a);
    const wrong = { username: 'third', password: 'x long enough', 'io.partyline.genesis': other.record.genesis };
    await net.client(a).expectError(400, 'M_BAD_JSON', 'POST', '/v3/register', wrong, { anonymous: true });
    // A second one cannot be had, by password either.
    const again = { user_id: person.userId, genesis: { ...person.record.genesis, created_ts: 5 } };
    expect(await confirmedOrNot(person.at(a), 'newborn', again)).not.toHaveProperty('endorsement');
  });
});

const confirmedOrNot = async (client: TestClient, label: string, body: Json): Promise<Json> => {
  const answer = await client.raw('POST', `${homesPath}/account/attach`, body);
  return answer.status === 401 ? confirmed(client, label, 'POST', `${homesPath}/account/attach`, body) : answer.body;
};

describe('a home that was dropped', () => {
  it('makes another key when it is asked again', async () => {
    const net = await Network.start({ servers: ['a', 'b'] });
    try {
      const [a, b] = net.servers as [TestServer, TestServer];
      const alice = await Person.named('alice', a);
      const first = await alice.offer(b);
      expect(await alice.offer(b)).toMatchObject({ key: first.key });
      await alice.publish(alice.next({ add: [first] }), a);
      await alice.login(b);
      await alice.publish(alice.next({ drop: [b.name] }), b);
      const second = await alice.offer(b);
      expect(second.key).not.toBe(first.key);
      await alice.publish(alice.next({ add: [second] }), a);
      await alice.login(b);
    } finally {
      await net.stop();
    }
  });
});
