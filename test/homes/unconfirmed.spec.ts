import { randomBytes } from 'node:crypto';
import { accountKey, accountKeyLogin, nextHomeRecord, recoveredHomeRecord } from '#e2e';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath } from '../network/person.js';
import { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { within } from '../network/within.js';
import { createRoom, isIn, join, state } from './talk.js';
import { twoHomes } from './two-homes.js';

// A home that comes back asks the others before it lets anybody in by a record that may be old (protocol §2, "Telling and asking").
let net: Network;
let a: TestServer;
let b: TestServer;
let c: TestServer;
let count = 0;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
}, 90_000);
afterAll(() => net?.stop());
afterEach(() => Promise.all([a, b, c].map((server) => server.start())));

/** Whether the home says so of the account's record, in its two answers. */
async function isUnconfirmed(client: TestClient): Promise<boolean[]> {
  const { headers } = await client.raw('GET', `${homesPath}/account/record`);
  return [headers['io-partyline-unconfirmed'] !== undefined, (await client.request('GET', `${homesPath}/account/homes`)).unconfirmed === true];
}

it('lets no stolen key in at a home that was away while it was replaced', async () => {
  const alice = await twoHomes(`away${++count}`, a, b);
  const stolen = alice.key;
  await b.stop();
  await alice.publish(recoveredHomeRecord(alice.record, {}, alice.recoveryKey, accountKey(randomBytes(32))), a);
  await a.crash();
  await a.start();
  await b.start();
  const proof = await alice.proof(b, stolen);
  const body = { type: accountKeyLogin, identifier: { type: 'm.id.user', user: alice.userId }, device_id: 'THIEF', ...proof };
  await new TestClient(b).expectError(403, 'M_FORBIDDEN', 'POST', '/v3/login', body);
}, 60_000);

it('ends the sessions of a home that was away while it was dropped', async () => {
  const alice = await twoHomes(`away${++count}`, a, b);
  const atB = alice.at(b);
  await b.stop();
  await alice.publish(alice.next({ drop: [b.name] }), a);
  await a.crash();
  await a.start();
  await b.start();
  // At the first answer, unless the machine is so slow that the others do not answer in three seconds.
  await eventually(async () => (await atB.raw('GET', '/v3/account/whoami')).status === 401, 20_000);
  await expect(alice.login(b)).rejects.toThrow('403');
}, 60_000);

it('serves after three seconds where no other home answers, and lets go when one does', async () => {
  const alice = await twoHomes(`away${++count}`, a, b);
  const atB = alice.at(b);
  await b.stop();
  await alice.publish(alice.next({ drop: [b.name] }), a);
  await a.stop();
  await b.start();
  expect((await within(6_000, () => atB.raw('GET', '/v3/account/whoami'))).status).toBe(200);
  expect(await isUnconfirmed(atB)).toEqual([true, true]);
  await a.start();
  await eventually(async () => (await atB.raw('GET', '/v3/account/whoami')).status === 401, 20_000);
}, 60_000);

it('says of a record that no other home has confirmed, and no more when one has', async () => {
  const alice = await twoHomes(`away${++count}`, a, b);
  expect(await isUnconfirmed(alice.at(b))).toEqual([false, false]);
  await a.stop();
  await b.stop();
  await b.start();
  await eventually(async () => (await isUnconfirmed(alice.at(b))).every(Boolean), 20_000);
  await a.start();
  await eventually(async () => !(await isUnconfirmed(alice.at(b))).some(Boolean), 20_000);
}, 60_000);

it('takes no record at a server that is new to the account before the others were asked', async () => {
  const alice = await twoHomes(`away${++count}`, a, b);
  const old = alice.record;
  const stolen = alice.key;
  const entry = await alice.offer(c);
  await c.stop();
  await alice.publish(recoveredHomeRecord(alice.record, {}, alice.recoveryKey, accountKey(randomBytes(32))), a);
  await c.start();
  // It asks for three seconds: not to be spent, on a busy machine, on connections and keys.
  await eventually(async () => (await new TestClient(c).raw('GET', `/v3/profile/${encodeURIComponent(`@nobody:${a.name}`)}`, undefined, { anonymous: true })).status === 404, 20_000);
  const thiefs = nextHomeRecord(old, { add: [entry] }, stolen);
  await new TestClient(c).expectError(409, 'IO_PARTYLINE_STALE_RECORD', 'PUT', `${homesPath}/account/record`, { record: thiefs });
}, 60_000);

it('lets a home that was dropped learn it from whoever hears it, though none of the other homes is there', async () => {
  const alice = await twoHomes(`away${++count}`, a, b);
  const bob = await net.client(c).register(`bob${count}`);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  await isIn(alice.at(b), roomId);
  const atB = alice.at(b);
  await b.stop();
  await alice.publish(alice.next({ drop: [b.name] }), a);
  await eventually(async () => (await state(bob, roomId, 'm.room.member', alice.userId)).home_record.seq === alice.record.seq);
  await a.stop();
  await b.start();
  await eventually(async () => {
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${atB.nextTxn()}`;
    return (await atB.raw('PUT', path, { body: 'still here', msgtype: 'm.text' })).status === 401;
  }, 20_000);
}, 60_000);
