import { randomBytes } from 'node:crypto';
import { accountKey, firstHomeRecord, genesis, nextHomeRecord, recoveredHomeRecord } from '#e2e';
import type { HomeRecord } from '#federation';
import { HomeRecords } from '../../apps/homeserver/src/homes/records/home-records.js';
import { AbsentRooms } from '../../apps/homeserver/src/rooms/remote/absent-rooms.js';
import { FederationClient, federationPath } from '../../apps/homeserver/src/federation/federation-client.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

const recordPath = '/_matrix/federation/unstable/io.partyline/record';
const createRoom = async (client: TestClient): Promise<string> =>
  (await client.request('POST', '/v3/createRoom', { room_version: 'io.partyline.1', preset: 'public_chat' })).room_id;
const say = (client: TestClient, roomId: string, body: string) =>
  client.request('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' });
const tell = (from: TestServer, to: TestServer, record: unknown) =>
  from.get(FederationClient).request({ destination: to.name, method: 'POST', path: recordPath, body: record as object });
const put = (client: TestClient, record: unknown, extra: Json = {}) => client.raw('PUT', `${homesPath}/account/record`, { record, ...extra });

let net: Network;
let a: TestServer;
let b: TestServer;
let c: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'], configs: { c: { registration: 'closed' } } });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
});
afterAll(() => net.stop());

describe('records', () => {
  it('of another genesis are refused for a name that is known, whoever signs them', async () => {
    const alice = await Person.named('alice', a);
    await tell(a, b, alice.record);
    const mallory = accountKey(randomBytes(32));
    const founded = genesis({ label: 'alice', serverName: a.name, recoveryKey: mallory.publicKey, accountKey: mallory.publicKey, createdTs: 1 });
    const homes = alice.record.homes;
    const forged = firstHomeRecord({ userId: alice.userId, genesis: founded, homes, endorsement: alice.record.endorsement! }, mallory);
    expect((await put(net.client(a), forged)).body.errcode).toBe('M_FORBIDDEN');
    await expect(tell(a, b, forged)).rejects.toMatchObject({ remoteStatus: 403 });
    expect((await b.get(HomeRecords).get(alice.userId))!.genesis).toEqual(alice.record.genesis);
  });

  it('of names that their server does not stand for are refused at first sight', async () => {
    const mallory = accountKey(randomBytes(32));
    const founded = genesis({ label: 'ghost', serverName: a.name, recoveryKey: mallory.publicKey, accountKey: mallory.publicKey, createdTs: 1 });
    const [home] = (await Person.named('owner', a)).record.homes;
    const record = firstHomeRecord({ userId: `@ghost:${a.name}`, genesis: founded, homes: [home!], endorsement: {} }, mallory);
    await expect(tell(a, b, record)).rejects.toMatchObject({ remoteStatus: 403 });
  });

  it('are replaced by higher ones only', async () => {
    const alice = await Person.named('carol', a);
    const old = alice.record;
    await alice.publish(alice.next({ priorities: { [a.name]: 5 } }), a);
    const answer = await put(net.client(a), old);
    expect(answer).toMatchObject({ status: 409, body: { errcode: 'IO_PARTYLINE_STALE_RECORD', record: { seq: 1 } } });
    await tell(b, a, old);
    expect((await alice.at(a).request('GET', `${homesPath}/account/record`)).seq).toBe(1);
  });

  it('that equivocate are told apart the same way everywhere, and the account is flagged', async () => {
    const alice = await Person.named('dave', a);
    const [one, two] = [alice.next({ priorities: { [a.name]: 1 } }), alice.next({ priorities: { [a.name]: 2 } })];
    await tell(b, a, one);
    await tell(b, a, two);
    await a.get(FederationClient).request({ destination: b.name, method: 'POST', path: recordPath, body: two });
    await a.get(FederationClient).request({ destination: b.name, method: 'POST', path: recordPath, body: one });
    const kept = await Promise.all([a, b].map((server) => server.get(HomeRecords).get(alice.userId)));
    expect(kept[0]).toEqual(kept[1]);
    expect((await alice.at(a).request('GET', `${homesPath}/account/homes`)).equivocation).toBe(true);
  });

  it('are signed by the new account key once the recovery key has replaced it', async () => {
    const alice = await Person.named('erin', a);
    const fresh = accountKey(randomBytes(32));
    const recovered = recoveredHomeRecord(alice.record, {}, alice.recoveryKey, fresh);
    await alice.publish(recovered, a);
    await alice.at(a).expectError(403, 'M_FORBIDDEN', 'POST', '/v3/login', {
      type: 'io.partyline.account_key', identifier: { type: 'm.id.user', user: alice.userId }, device_id: 'D', ...(await alice.proof(a)),
    }, { anonymous: true });
    const proof = await alice.proof(a, fresh);
    const login = { type: 'io.partyline.account_key', identifier: { type: 'm.id.user', user: alice.userId }, device_id: 'D', ...proof };
    expect((await net.client(a).request('POST', '/v3/login', login)).user_id).toBe(alice.userId);
    // The old key cannot take it back.
    const stolen = nextHomeRecord({ ...recovered, epoch: 0, account_key_cert: null } as HomeRecord, {}, alice.key);
    expect((await put(net.client(a), stolen)).status).toBe(409);
    // A nonce is good once.
    await net.client(a).expectError(403, 'M_FORBIDDEN', 'POST', '/v3/login', login);
  });

  it('of others cannot be published with one\'s own token', async () => {
    const [alice, mallory] = [await Person.named('frank', a), await net.client(a).register('mallory')];
    await mallory.expectError(403, 'M_FORBIDDEN', 'PUT', `${homesPath}/account/record`, { record: alice.next({}) });
    await mallory.expectError(400, 'M_BAD_JSON', 'PUT', `${homesPath}/account/record`, { record: { user_id: mallory.userId } });
  });
});

describe('a server', () => {
  it('that takes nobody offers itself to nobody', async () => {
    const alice = await Person.named('grace', a);
    await expect(alice.offer(c)).rejects.toThrow('M_FORBIDDEN');
  });

  it('takes accounts for their key only', async () => {
    const alice = await Person.named('heidi', a);
    const stranger = accountKey(randomBytes(32));
    const body = { user_id: alice.userId, record: alice.record, ...(await alice.proof(b, stranger)) };
    await net.client(b).expectError(403, 'M_FORBIDDEN', 'POST', `${homesPath}/account/attach`, body);
    await net.client(b).expectError(401, 'M_MISSING_TOKEN', 'POST', `${homesPath}/account/attach`, { user_id: alice.userId, record: alice.record });
    // A proof that was made for another server is none.
    const { nonce } = await net.client(b).request('GET', `${homesPath}/login/nonce`);
    const forA = await alice.proof(a);
    await net.client(b).expectError(403, 'M_FORBIDDEN', 'POST', `${homesPath}/account/attach`, { user_id: alice.userId, record: alice.record, ...forA, nonce });
  });

  it('gives copies of rooms to homes of their members only', async () => {
    const alice = await Person.named('ivan', a);
    const roomId = await createRoom(alice.at(a));
    const path = federationPath`/_matrix/federation/unstable/io.partyline/attach/${roomId}`;
    const ask = (body: object) => b.get(FederationClient).request({ destination: a.name, method: 'POST', path, body });
    await expect(ask({ user_id: alice.userId })).rejects.toMatchObject({ remoteStatus: 403 });
    await expect(ask({ user_id: `@nobody:${a.name}` })).rejects.toMatchObject({ remoteStatus: 403 });
    const bob = await Person.named('bob', b);
    await expect(ask({ user_id: alice.userId, record: bob.record })).rejects.toMatchObject({ remoteStatus: 400 });
  });

  it('that was dropped is refused from then on, and lets go of the account', async () => {
    const alice = await Person.named('judy', a);
    const atB = await alice.addHome(b);
    const roomId = await createRoom(alice.at(a));
    await eventually(async () => (await atB.request('GET', '/v3/joined_rooms')).joined_rooms.includes(roomId));
    await alice.publish(alice.next({ drop: [b.name] }), a);
    await eventually(async () => (await atB.raw('GET', '/v3/account/whoami')).status === 401);
    await expect(alice.login(b)).rejects.toThrow('M_FORBIDDEN');
    await say(alice.at(a), roomId, 'alone again');
    const ask = b.get(FederationClient).request({
      destination: a.name, method: 'GET', path: federationPath`/_matrix/federation/unstable/io.partyline/account/${alice.userId}/snapshot`,
    });
    await expect(ask).rejects.toMatchObject({ remoteStatus: 403 });
  });
});

describe('traffic', () => {
  it('does not go to a server that a record names without its consent', async () => {
    const alice = await Person.named('kim', a);
    const bob = await Person.named('leo', b);
    const [entry] = alice.record.homes;
    // The signature is one of a real consent, of another server.
    await alice.publish(alice.next({ add: [{ ...entry!, server_name: c.name }] }), a);
    const roomId = await createRoom(alice.at(a));
    await bob.at(b).request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } });
    const seen: string[] = [];
    c.get(AbsentRooms).onEvents((origin, about) => seen.push(`${origin} ${about}`));
    for (let i = 0; i < 5; i++) await say(i % 2 ? alice.at(a) : bob.at(b), roomId, `message ${i}`);
    await eventually(async () => {
      const { chunk } = await bob.at(b).request('GET', `/v3/rooms/${encodeURIComponent(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 20 } });
      return chunk.some((event: Json) => event.content.body === 'message 4');
    });
    expect(seen).toEqual([]);
  });
});

describe('custody', () => {
  it('ends when others bring the record with which a client took the keys over', async () => {
    const client = await net.client(a).register('nora');
    const record: HomeRecord = await client.request('GET', `${homesPath}/account/record`);
    const challenge = await client.raw('POST', `${homesPath}/account/claim`, {});
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'nora' }, password: 'password of nora', session: challenge.body.session };
    const { recovery_seed: seed } = await client.request('POST', `${homesPath}/account/claim`, { auth });
    expect((await client.request('GET', `${homesPath}/account/homes`)).custody).toBe(true);
    const recoveryKey = accountKey(Buffer.from(seed, 'base64'));
    await tell(b, a, recoveredHomeRecord(record, {}, recoveryKey, accountKey(randomBytes(32))));
    expect((await client.request('GET', `${homesPath}/account/homes`)).custody).toBe(false);
  });

  it('ends when a client takes the keys over', async () => {
    const client = await net.client(a).register('nina');
    const record: HomeRecord = await client.request('GET', `${homesPath}/account/record`);
    expect((await client.request('GET', `${homesPath}/account/homes`)).custody).toBe(true);
    const challenge = await client.raw('POST', `${homesPath}/account/claim`, {});
    expect(challenge.status).toBe(401);
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'nina' }, password: 'password of nina', session: challenge.body.session };
    const { recovery_seed: seed } = await client.request('POST', `${homesPath}/account/claim`, { auth });
    const recoveryKey = accountKey(Buffer.from(seed, 'base64'));
    const mine = accountKey(randomBytes(32));
    await client.request('PUT', `${homesPath}/account/record`, { record: recoveredHomeRecord(record, {}, recoveryKey, mine) });
    expect((await client.request('GET', `${homesPath}/account/homes`)).custody).toBe(false);
    await client.expectError(404, 'M_NOT_FOUND', 'POST', `${homesPath}/account/claim`, {
      auth: { ...auth, session: (await client.raw('POST', `${homesPath}/account/claim`, {})).body.session },
    });
  });
});
