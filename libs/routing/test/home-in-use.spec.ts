import { FakeNetwork } from './fake-network.js';
import type { FakeHome } from './fake-home.js';

let network: FakeNetwork;
let a: FakeHome;
let b: FakeHome;

beforeEach(async () => {
  network = await FakeNetwork.start(['a.example', 'b.example']);
  [a, b] = network.homes as [FakeHome, FakeHome];
});
afterEach(() => network.stop());

describe('the home in use', () => {
  it('is kept until the better one has been healthy for five minutes and ten have passed', async () => {
    a.answer = () => 'die';
    await network.send('1');
    while (network.router.homes()[0]!.view.state !== 'down') await new Promise((resolve) => setImmediate(resolve));
    await network.send('1b');
    expect(current()).toBe('b.example');
    a.answer = () => undefined;
    const since = network.clock.now();
    while (network.clock.now() - since < 9 * 60_000) await pollFor(20_000);
    expect(network.router.homes()[0]?.view.state).toBe('healthy');
    await network.send('2');
    expect(current()).toBe('b.example');
    await network.clock.advance(60_000);
    await network.send('3');
    expect(current()).toBe('a.example');
  });

  it('can be picked by hand, for the account and for one room', async () => {
    await network.send('1');
    await network.router.pick('b.example');
    await network.send('2');
    expect([current(), b.to('/2').length]).toEqual(['b.example', 1]);
    await network.router.pick('a.example');
    await network.router.pick('b.example', network.room.roomId);
    await network.send('3');
    await network.get('v3/account/whoami');
    expect([b.to('/3').length, a.to('/whoami').length]).toEqual([1, 1]);
  });

  it('is left in the middle of a long poll when another is picked', async () => {
    network.room.add('@bob:b', { body: 'before' });
    const { next } = await network.sync();
    const poll = network.sync(next, 30_000);
    await a.saw(({ path }) => path.endsWith('/sync'), 2);
    await network.router.pick('b.example');
    await b.saw(({ path }) => path.endsWith('/sync'));
    network.room.add('@bob:b', { body: 'moved' });
    b.wake();
    expect((await poll).texts).toEqual(['moved']);
  });
});

function current(): string | undefined {
  return network.router.homes().find((home) => home.current)?.serverName;
}

/** Keeps a request open for a time, so that the homes not in use are asked as well. */
async function pollFor(ms: number): Promise<void> {
  b.answer = ({ path }) => (path.endsWith('/whoami') ? 'hang' : undefined);
  const controller = new AbortController();
  const seen = b.to('/whoami').length;
  const open = network.request('GET', 'v3/account/whoami', undefined, controller.signal).catch(() => undefined);
  await b.saw(({ path }) => path.endsWith('/whoami'), seen + 1);
  for (let passed = 0; passed < ms; passed += 1_000) {
    await network.clock.advance(1_000);
    while (network.router.homes()[1]!.view.lastContact < network.clock.now()) await new Promise((resolve) => setImmediate(resolve));
  }
  controller.abort();
  await open;
}
