import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { within } from '../network/within.js';
import { FederationMeter } from './federation-meter.js';
import { createRoom, isCaughtUp, isIn, join, say, settles } from './talk.js';

// What docs/protocol.md says that a record, an operation and a move-in cost. The figures are printed; they may differ by a tenth.
const MEMBERS = 100;
let net: Network;
let a: TestServer; let b: TestServer; let c: TestServer; let d: TestServer;
let meter: FederationMeter;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c', 'd'] });
  [a, b, c, d] = net.servers as [TestServer, TestServer, TestServer, TestServer];
  meter = new FederationMeter(net.servers);
}, 90_000);
afterAll(async () => {
  meter?.stop();
  await net?.stop();
});

const print = (what: string, figures: unknown): void => void process.stdout.write(`${what}: ${JSON.stringify(figures)}\n`);

it('a record', async () => {
  const alice = await Person.named('alice', a);
  const sizes = [JSON.stringify(alice.record).length];
  await alice.addHome(b, { through: a });
  sizes.push(JSON.stringify(alice.record).length);
  print('bytes of a record with one and with two homes', sizes);
  expect(sizes[0]).toBeLessThan(900);
  expect(sizes[1]! - sizes[0]!).toBeLessThan(350);
  await settles(async () => expect((await alice.at(b).request('GET', `${homesPath}/account/homes`)).homes[0].ops_behind).toBe(0));
  meter.reset();
  await alice.publish(alice.next({ priorities: { [b.name]: 7 } }), a);
  await settles(() => expect(meter.totals(a)).toHaveProperty(['POST record']));
  print('a change, to each other home', meter.totals(a)['POST record']);
  expect(meter.totals(a)['POST record']).toMatchObject({ requests: 1 });
});

it('an operation', async () => {
  const alice = await Person.named('alma', a);
  await alice.addHome(b, { through: a });
  await isCaughtUp(alice, a, b);
  await isCaughtUp(alice, b, a);
  const write = async (n: number): Promise<void> => {
    await alice.at(a).request('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/cost`, { n });
    await isCaughtUp(alice, a, b);
  };
  await write(0);
  meter.reset();
  for (let n = 1; n <= 10; n++) await write(n);
  const { requests, sent, received } = meter.totals(a)[`POST account/ops`]!;
  print('ten operations', { requests, sent, received, back: meter.totals(b) });
  expect(requests).toBe(10);
  expect(sent / 10).toBeLessThan(1_700);
});

describe('a move-in', () => {
  /** A room with a hundred members at three servers, with somebody of each. */
  async function room(owner: TestClient): Promise<string> {
    const roomId = await createRoom(owner);
    const servers = [a, c, d];
    const people = await Promise.all(Array.from({ length: MEMBERS - 1 }, (_, i) => net.client(servers[i % 3]!).register(`member${i}`)));
    // One of each server first: who comes after is at home there.
    for (const person of people.slice(0, 3)) await join(person, roomId, a);
    for (let i = 3; i < people.length; i += 12) await Promise.all(people.slice(i, i + 12).map((person) => join(person, roomId, a)));
    for (const person of people.slice(0, 3)) {
      await settles(async () => expect(Object.keys((await person.request('GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`)).joined)).toHaveLength(MEMBERS), 60_000);
    }
    for (let i = 0; i < 100; i++) await say(owner, roomId, `message ${i}`);
    return roomId;
  }

  it('of a room with a hundred members and three replicas, which begins within two seconds', async () => {
    const alice = await Person.named('anna', a);
    const roomId = await room(alice.at(a));
    const entry = await alice.offer(b);
    meter.reset();
    const started = Date.now();
    await within(2_000, async () => {
      await alice.publish(alice.next({ add: [entry] }), b);
      await settles(() => expect(meter.totals(b)).toHaveProperty(['POST attach']));
    });
    const begun = Date.now() - started;
    await isIn(await alice.login(b), roomId);
    const arrived = Date.now() - started;
    await settles(async () => {
      const { homes } = await alice.at(b).request('GET', `${homesPath}/account/homes`);
      const { rooms } = homes.find((home: Json) => home.server_name === b.name);
      expect(rooms).toMatchObject({ ready: 1, total: 1, complete: true, unequal: [] });
    }, 40_000);
    const totals = meter.totals(b);
    const sum = Object.values(totals).reduce((all, one) => ({ requests: all.requests + one.requests, sent: all.sent + one.sent, received: all.received + one.received }), { requests: 0, sent: 0, received: 0 });
    print('a move-in: milliseconds until the first question, until the room is there', [begun, arrived]);
    print('a move-in: requests of the new home', totals);
    print('a move-in: in all', sum);
    expect(sum.requests).toBeLessThan(60);
    expect(sum.received).toBeLessThan(1_000_000);
  }, 180_000);
});
