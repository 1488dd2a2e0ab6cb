import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../apps/homeserver/src/demo/within.js';
import { FaultWorld } from './fault-world.js';
import { Talker } from './talker.js';

const PERIOD_MS = 50;
const BEFORE_MS = 1_000;
const AFTER_MS = 2_000;

let world: FaultWorld;
let alice: Talker;
let bob: Talker;
let roomId: string;
let said = 0;

beforeAll(async () => {
  world = await FaultWorld.start(['a', 'b', 'c']);
  const [a, b, c] = world.servers as [never, never, never];
  [alice, bob] = await Promise.all([Talker.enter('alice', [a, b]), Talker.enter('bob', [c, a])]);
  roomId = await alice.createRoom({ room_version: 'io.partyline.1', preset: 'public_chat' });
  await bob.join(roomId, alice.homes);
  await until(20_000, 'both to be in the room', () => alice.isIn(roomId) && bob.isIn(roomId));
  await until(20_000, 'the second home to hold the room', () => alice.at(world.server('b'), `v3/rooms/${encodeURIComponent(roomId)}/state`));
}, 60_000);
afterAll(async () => {
  await Promise.all([alice?.leave(), bob?.leave()]);
  await world?.stop();
});

/** Longest time between two of these moments. */
function longestPause(times: readonly number[]): number {
  return Math.max(...times.slice(1).map((time, i) => time - times[i]!));
}

/** Both write steadily; `fault` strikes in the middle. Resolves with the longest pauses that Alice saw. */
async function pausesOf(fault: () => Promise<void> | void): Promise<{ writing: number; reading: number }> {
  const acknowledged: number[] = [];
  const read: number[] = [];
  const wanted = new Set<string>();
  const stop = new AbortController();
  const unsubscribe = alice.onMessage(({ text }) => {
    wanted.delete(text);
    if (text.startsWith('bob')) read.push(performance.now());
  });
  const write = async (talker: Talker, done: () => void): Promise<void> => {
    while (!stop.signal.aborted) {
      const text = `${talker.name} ${++said}`;
      wanted.add(text);
      await talker.say(roomId, text);
      done();
      await sleep(PERIOD_MS);
    }
  };
  const writing = Promise.all([write(alice, () => acknowledged.push(performance.now())), write(bob, () => undefined)]);
  await sleep(BEFORE_MS);
  const struckAt = performance.now();
  await fault();
  await until(20_000, 'Alice to write and read again', () => acknowledged.at(-1)! > struckAt + AFTER_MS && read.at(-1)! > struckAt + AFTER_MS);
  stop.abort();
  await writing;
  await until(20_000, 'Alice to have read everything', () => wanted.size === 0);
  unsubscribe();
  const pauses = { writing: longestPause(acknowledged), reading: longestPause(read) };
  process.stdout.write(`longest pause: ${pauses.writing.toFixed()} ms in writing, ${pauses.reading.toFixed()} ms in reading\n`);
  return pauses;
}

describe('a client that writes and reads while its home', () => {
  it('is killed pauses for less than a second', async () => {
    const home = world.server(alice.homeInUse);
    const pauses = await pausesOf(() => home.kill());
    expect(alice.homeInUse).not.toBe(home.label);
    expect(pauses.writing).toBeLessThan(1_000);
    expect(pauses.reading).toBeLessThan(1_000);
    await home.start();
  }, 60_000);

  it('hangs pauses for less than six seconds', async () => {
    const home = world.server(alice.homeInUse);
    const pauses = await pausesOf(() => home.freeze());
    expect(alice.homeInUse).not.toBe(home.label);
    expect(pauses.writing).toBeLessThan(6_000);
    expect(pauses.reading).toBeLessThan(6_000);
    home.thaw();
  }, 60_000);
});
