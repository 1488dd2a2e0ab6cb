import { register, type Session } from '../../apps/homeserver/src/demo/account.js';
import { Person, type ShownMessage } from '../../apps/homeserver/src/demo/person.js';
import { silenceSdk } from '../../apps/homeserver/src/demo/silent-logger.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { TestServer } from '../network/test-server.js';
import { setUpCrossSigning, trusts, verifyEachOther } from './verify.js';

let net: Network;
const people: Person[] = [];
const { setTimeout: realSetTimeout } = globalThis;

beforeAll(async () => {
  silenceSdk();
  // The SDK leaves timers of almost two minutes behind each long poll; they must not keep the test run waiting.
  globalThis.setTimeout = ((run: () => void, ms?: number) => realSetTimeout(run, ms).unref()) as typeof globalThis.setTimeout;
  net = await Network.start({ servers: ['a', 'b'] });
});
afterAll(async () => {
  for (const person of people) person.leave();
  await net?.stop();
  globalThis.setTimeout = realSetTimeout;
});

async function enter(server: TestServer, name: string): Promise<Person> {
  const place = { serverName: server.name, url: server.url };
  const session: Session = await register(place, name, `${name.toUpperCase()}1`);
  const person = await Person.enter(name, session, server.url);
  people.push(person);
  return person;
}

describe('two people with matrix-js-sdk on two servers', () => {
  it('talk encrypted', async () => {
    const alice = await enter(net.server('a'), 'alice');
    const bob = await enter(net.server('b'), 'bob');
    const shown: ShownMessage[] = [];
    bob.onMessage((message) => shown.push(message));
    const roomId = await alice.openRoom('Two', bob.userId);
    await bob.join(roomId);
    await Promise.all([alice, bob].map((person) => person.seesRoom(roomId, 2)));
    for (let count = 1; count <= 5; count++) await alice.write(roomId, count, `message ${count}`);
    await eventually(() => shown.length === 5);
    const inTimelineOrder = shown.toSorted((one, other) => one.place - other.place);
    expect(inTimelineOrder.map((message) => message.text)).toEqual([1, 2, 3, 4, 5].map((count) => `message ${count}`));
    const event = bob.client.getRoom(roomId)!.getLiveTimeline().getEvents().at(-1)!;
    expect(event.getWireType()).toBe('m.room.encrypted');
    expect(alice.unreadable).toEqual([]);
    await Promise.all([alice, bob].map(setUpCrossSigning));
    expect(await trusts(alice, bob)).toBe(false);
    const emoji = await verifyEachOther(alice, bob, roomId);
    expect(emoji.one).toHaveLength(7);
    expect(emoji.one).toEqual(emoji.other);
    await eventually(async () => (await trusts(alice, bob)) && (await trusts(bob, alice)));
  });
});
