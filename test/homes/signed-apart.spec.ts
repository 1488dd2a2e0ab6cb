import { compareHomeRecords, mergedHomeRecord, nextHomeRecord } from '#e2e';
import type { HomeRecord } from '#federation';
import { AccountServers } from '../../apps/homeserver/src/accounts/account-servers.js';
import { HomeRecords } from '../../apps/homeserver/src/homes/records/home-records.js';
import { HostilePerson } from '../hostile/hostile-person.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, join, reads, say, settles } from './talk.js';

// Two devices change the homes at servers that do not hear each other: whom either has dropped is out everywhere (protocol §2).
let net: Network;
let a: TestServer;
let b: TestServer;
let c: TestServer;
let d: TestServer;
let bob: TestClient;
let count = 0;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c', 'd'] });
  [a, b, c, d] = net.servers as [TestServer, TestServer, TestServer, TestServer];
  bob = await net.client(d).register('bob');
}, 90_000);
afterAll(() => net?.stop());
afterEach(() => Promise.all(net.servers.map((server) => server.start())));

/** Alice with homes at A, B and C, in a room with Bob, who is at D. */
async function scene(): Promise<{ alice: Person; roomId: string }> {
  const alice = await Person.named(`apart${++count}`, a);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  for (const home of [b, c]) await isIn(await alice.addHome(home, { through: a }), roomId);
  await settles(() => expectRecords(alice.userId, alice.record));
  return { alice, roomId };
}

/** Publishes a record while no other server is there. */
async function alone(server: TestServer, record: HomeRecord): Promise<void> {
  await Promise.all(net.servers.map((other) => (other === server ? other.start() : other.stop())));
  expect((await new TestClient(server).raw('PUT', `${homesPath}/account/record`, { record })).status).toBe(200);
}

async function expectRecords(userId: string, record: HomeRecord, ...rivals: HomeRecord[]): Promise<void> {
  for (const server of net.servers) expect(await server.get(HomeRecords).heard(userId)).toMatchObject({ record, rivals });
}

const namesAt = async (server: TestServer, userId: string): Promise<string[]> => [...(await server.get(AccountServers).of(userId))].sort();
const names = (...servers: { name: string }[]): string[] => servers.map(({ name }) => name).sort();

async function expectGone(alice: Person, home: TestServer): Promise<void> {
  await settles(async () => expect((await alice.at(home).raw('GET', '/v3/account/whoami')).status).toBe(401));
  await expect(alice.login(home, 'BACK')).rejects.toThrow('403');
}

it('a home that one device has dropped is out at all servers, though the other has signed more since', async () => {
  const { alice, roomId } = await scene();
  const start = alice.record;
  const dropped = nextHomeRecord(start, { drop: [c.name] }, alice.key);
  const renamed = nextHomeRecord(start, { priorities: { [b.name]: 3 } }, alice.key);
  const later = nextHomeRecord(renamed, { priorities: { [b.name]: 4 } }, alice.key);
  await alone(a, dropped);
  await alone(b, renamed);
  await alone(b, later);
  await Promise.all(net.servers.map((server) => server.start()));
  await settles(() => expectRecords(alice.userId, later, dropped));
  await expectGone(alice, c);
  for (const server of net.servers) expect(await namesAt(server, alice.userId)).toEqual(names(a, b));
  expect(await alice.at(a).request('GET', `${homesPath}/account/homes`)).toMatchObject({ rivals: [dropped], equivocation: true });
  await say(bob, roomId, 'not for c');
  await reads(alice.at(b), roomId, 'not for c');

  // A client that meets both signs what follows them, and that is the end of it.
  const { rivals: [rival] } = await new TestClient(a).request('PUT', `${homesPath}/account/record`, { record: later });
  const merged = mergedHomeRecord(later, rival, start, alice.key);
  await alice.publish(merged, a);
  await settles(() => expectRecords(alice.userId, merged));
}, 120_000);

it('a home that only one device has added waits until a client has merged the two, and serves then what it was told before', async () => {
  const alice = await Person.named(`apart${++count}`, a);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  await isIn(await alice.addHome(b, { through: a }), roomId);
  for (const server of [a, b]) await settles(async () => expect(await server.get(HomeRecords).get(alice.userId)).toEqual(alice.record));
  const start = alice.record;
  const added = nextHomeRecord(start, { add: [await alice.offer(c)] }, alice.key);
  const renamed = nextHomeRecord(start, { priorities: { [b.name]: 3 } }, alice.key);
  await alone(a, added);
  await alone(b, renamed);
  await Promise.all(net.servers.map((server) => server.start()));
  const [last, rival] = compareHomeRecords(added, renamed) > 0 ? [added, renamed] : [renamed, added];
  await settles(() => expectRecords(alice.userId, last, rival));
  for (const server of net.servers) expect(await namesAt(server, alice.userId)).toEqual(names(a, b));
  await expect(alice.login(c, 'EARLY')).rejects.toThrow('403');
  await say(bob, roomId, 'before they are merged');
  await reads(alice.at(b), roomId, 'before they are merged');
  const merged = mergedHomeRecord(added, renamed, start, alice.key);
  await alice.publish(merged, b);
  await settles(() => expectRecords(alice.userId, merged));
  for (const server of net.servers) expect(await namesAt(server, alice.userId)).toEqual(names(a, b, c));
  await isIn(await alice.login(c), roomId);
  await reads(alice.at(c), roomId, 'before they are merged');
}, 120_000);

it.each(['owner', 'thief'])('a stolen phone that signs apart brings in nobody, and what was taken from it stays so: the record of the %s comes later', async (last) => {
  const accomplice = await HostileServer.start();
  try {
    const { alice, roomId } = await scene();
    const stolen = alice.key;
    const evil = new HostilePerson('x', accomplice);
    (evil as { userId: string }).userId = alice.userId;
    const owners = nextHomeRecord(alice.record, { revoke: [b.name] }, alice.key);
    let thiefs: HomeRecord;
    for (let priority = 20; ; priority++) {
      thiefs = nextHomeRecord(alice.record, { drop: [a.name], add: [{ ...evil.entry(), priority }] }, stolen);
      if ((compareHomeRecords(owners, thiefs) > 0) === (last === 'owner')) break;
    }
    await alone(a, owners);
    await alone(b, thiefs);
    await Promise.all(net.servers.map((server) => server.start()));
    await settles(() => expectRecords(alice.userId, ...(last === 'owner' ? [owners, thiefs] as const : [thiefs, owners] as const)));
    await expectGone(alice, a);
    await expectGone(alice, b);
    for (const server of net.servers) expect(await namesAt(server, alice.userId)).toEqual([c.name]);
    // What is said goes to the home that both have left, and to nobody that only one names. The revoked home may have written of the device.
    await alice.login(c);
    await say(bob, roomId, 'for c alone');
    await reads(alice.at(c), roomId, 'for c alone');
    const path = '/_matrix/federation/unstable/io.partyline';
    await accomplice.expectError(403, 'M_FORBIDDEN', c, 'GET', `${path}/account/${encodeURIComponent(alice.userId)}/snapshot`);
    await accomplice.expectError(403, 'M_FORBIDDEN', d, 'POST', `${path}/attach/${encodeURIComponent(roomId)}`, { user_id: alice.userId, record: thiefs });
    expect(JSON.stringify(accomplice.requests)).not.toContain('for c alone');
  } finally {
    accomplice.hangUp();
    await accomplice.stop();
  }
}, 120_000);
