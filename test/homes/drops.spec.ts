import fc from 'fast-check';
import { AccountServers } from '../../apps/homeserver/src/accounts/account-servers.js';
import { EventsStore } from '../../apps/homeserver/src/rooms/timeline/events.store.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { compareHomeRecords, nextHomeRecord } from '#e2e';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import { TestClient, type Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, join, reads, say, settles, state } from './talk.js';

// Promise P3: whatever stops, crashes or sleeps while homes are dropped, in the end no server treats one of them as a home.
const RUNS = Number(process.env['DROPS_RUNS'] ?? 2);
const MAX_STEPS = 5;

let net: Network;
let homes: TestServer[];
let d: TestServer;
let bob: TestClient;
let count = 0;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c', 'd'] });
  homes = net.servers.slice(0, 3);
  d = net.servers[3]!;
  bob = await net.client(d).register('bob');
}, 90_000);
afterAll(() => net?.stop());

const index = fc.nat({ max: 2 });
const steps = fc.array(fc.oneof(
  { weight: 3, arbitrary: fc.record({ what: fc.constant('drop' as const), at: index, which: index, dies: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('apart' as const), at: index, which: index, more: fc.nat({ max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constantFrom('stop' as const, 'crash' as const), which: index }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('start' as const), which: index }) },
), { minLength: 2, maxLength: MAX_STEPS });
type Step = typeof steps extends fc.Arbitrary<(infer T)[]> ? T : never;

interface Scene {
  readonly alice: Person;
  readonly roomId: string;
  readonly dropped: Set<TestServer>;
}

/** Alice with three homes, in a room with Bob. */
async function scene(): Promise<Scene> {
  const [a, b, c] = homes as [TestServer, TestServer, TestServer];
  const alice = await Person.named(`drops${++count}`, a);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  for (const home of [b, c]) await isIn(await alice.addHome(home, { through: a }), roomId);
  await settles(async () => expect((await state(bob, roomId, 'm.room.member', alice.userId)).home_record).toEqual(alice.record));
  return { alice, roomId, dropped: new Set() };
}

/** One device drops a home where it is, another one changes something else where it is, more than once perhaps, and goes on from there. */
async function signApart({ alice, dropped }: Scene, at: number, server: TestServer, more: number): Promise<void> {
  const [one, other] = homes.slice(at).concat(homes.slice(0, at)).filter((home) => home.isRunning && !dropped.has(home));
  if (!one || !other || dropped.has(server) || dropped.size === 2) return;
  const start = alice.record;
  const put = (home: TestServer, record: Person['record']): Promise<unknown> => new TestClient(home).raw('PUT', `${homesPath}/account/record`, { record });
  const without = alice.next({ drop: [server.name] });
  await put(one, without);
  dropped.add(server);
  const line = [start];
  for (let i = 0; i <= more; i++) {
    line.push(nextHomeRecord(line.at(-1)!, { priorities: { [server.name]: 30 + i } }, alice.key));
    await put(other, line.at(-1)!);
  }
  alice.record = compareHomeRecords(line.at(-1)!, without) > 0 ? line.at(-1)! : without;
}

async function take(scene: Scene, step: Step): Promise<void> {
  const { alice, dropped } = scene;
  const server = homes[step.which]!;
  const isUp = (one: TestServer): boolean => one.isRunning;
  if (step.what === 'apart') return signApart(scene, step.at, server, step.more);
  if (step.what === 'start') return server.start();
  if (step.what !== 'drop') {
    // At least one is there.
    if (isUp(server) && homes.filter(isUp).length > 1) await (step.what === 'stop' ? server.stop() : server.crash());
    return;
  }
  const taker = homes.slice(step.at).concat(homes).find((one) => isUp(one) && !dropped.has(one));
  if (!taker || dropped.has(server) || dropped.size === 2) return;
  await alice.publish(alice.next({ drop: [server.name] }), taker);
  dropped.add(server);
  if (step.dies && homes.filter(isUp).length > 1) await taker.crash();
}

const inbox = statement('test.inbox', 'SELECT 1 FROM to_device_inbox WHERE user_id = $1');

async function expectDrops({ alice, roomId, dropped }: Scene): Promise<void> {
  const living = homes.filter((home) => !dropped.has(home));
  const names = (servers: Iterable<TestServer>): string[] => [...servers].map(({ name }) => name).sort();
  // Sessions and logins.
  for (const home of dropped) {
    await settles(async () => expect((await alice.at(home).raw('GET', '/v3/account/whoami')).status).toBe(401));
    await expect(alice.login(home, 'BACK')).rejects.toThrow('403');
  }
  for (const home of living) expect((await alice.at(home).raw('GET', '/v3/account/whoami')).status).toBe(200);
  // Rooms, and who is asked for keys.
  await settles(async () => {
    for (const server of [...living, d]) expect([...(await server.get(AccountServers).of(alice.userId))].sort()).toEqual(names(living));
    const { home_record: shown }: Json = await state(bob, roomId, 'm.room.member', alice.userId);
    // A record that was made without the one that dropped a home still names it, until a client merges them.
    const outside = names(dropped);
    expect(shown.homes.flatMap(({ server_name: name }: Json) => (outside.includes(name) ? [] : [name])).sort()).toEqual(names(living));
  });
  // Messages, in rooms and to devices.
  const eventId = await say(bob, roomId, 'to those that are left');
  const messages = { [alice.userId]: { '*': { secret: true } } };
  await bob.request('PUT', `/v3/sendToDevice/test.drops/${bob.nextTxn()}`, { messages });
  for (const home of living) {
    await reads(alice.at(home), roomId, 'to those that are left');
    await settles(async () => expect(await home.get(Database).query(inbox, [alice.userId])).not.toEqual([]));
  }
  for (const home of dropped) {
    expect(await home.get(EventsStore).byId(roomId, eventId)).toBeUndefined();
    expect(await home.get(Database).query(inbox, [alice.userId])).toEqual([]);
  }
}

it('ends with no server that treats a dropped home as one', async () => {
  await fc.assert(fc.asyncProperty(steps, async (story) => {
    const here = await scene();
    try {
      for (const step of story) await take(here, step);
      // There is always something to be told.
      await take(here, { what: 'drop', at: 0, which: 1, dies: true });
    } finally {
      await Promise.all(homes.map((home) => home.start()));
    }
    await expectDrops(here);
  }), { numRuns: RUNS, endOnFailure: true });
}, 30_000 * Math.max(4, RUNS));
