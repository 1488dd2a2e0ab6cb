import { Destinations } from '../../apps/homeserver/src/federation/outgoing/destinations.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { WrongClock } from '../network/travelling-clock.js';
import { createRoom, join, reads, say } from '../homes/talk.js';

const HOUR_MS = 3_600_000;

// A wall clock that somebody sets, by days and at any moment: it says when something was, never how long something waits.
describe.each([['ahead, then right', [70 * HOUR_MS, 0]], ['right, then behind', [0, -10 * HOUR_MS]]] as const)('a server whose clock is %s', (_name, [first, then]) => {
  const clock = new WrongClock();
  let net: Network; let a: TestServer; let b: TestServer;
  let alice: TestClient; let bob: TestClient;
  let roomId: string;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'], clock });
    b = await net.add('b');
    a = net.server('a');
    alice = await net.client('a').register('alice');
    bob = await net.client('b').register('bob');
    roomId = await createRoom(alice);
    await join(bob, roomId, a);
  }, 60_000);
  afterAll(() => net?.stop());

  /** What is said while B is away gets there when it is back, B having nothing to say. */
  async function isTriedAgain(text: string, meanwhile: () => Promise<void>): Promise<void> {
    clock.aheadMs = first;
    await b.stop();
    await say(alice, roomId, text);
    await reads(alice, roomId, text);
    await eventually(() => a.get(Destinations).failures(b.name) > 0);
    clock.aheadMs = then;
    await meanwhile();
    await b.start();
    await reads(bob, roomId, text);
  }

  it('tries a server again that was away', () => isTriedAgain('in one life', () => Promise.resolve()), 60_000);

  it('tries it again after a restart', () => isTriedAgain('over a restart', async () => {
    await a.stop();
    await a.start();
  }), 60_000);
});
