import { randomBytes } from 'node:crypto';
import { MediaRetention } from '../../apps/homeserver/src/media/retention/media-retention.js';
import { download, upload, type Uploaded } from '../network/media.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { TravellingClock } from '../network/travelling-clock.js';

// What of other servers' media is kept.
const DAY = 24 * 3_600_000;
const clock = new TravellingClock();
let net: Network;
let a: TestServer;
let b: TestServer;
let alice: TestClient;
let bob: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'], config: { mediaCacheBytes: 100_000 }, clock });
  [a, b] = net.servers as [TestServer, TestServer];
  [alice, bob] = [await net.client(a).register('alice'), await net.client(b).register('bob')];
}, 60_000);
afterAll(() => net?.stop());
afterEach(() => a.start());

const isHere = async (file: Uploaded): Promise<boolean> => (await download(bob, file, { query: { allow_remote: false } })).status === 200;
const clean = () => b.get(MediaRetention).run();

it('are files that were read within 90 days, and what people here have uploaded', async () => {
  const [read, unread] = [await upload(alice, randomBytes(1_000)), await upload(alice, randomBytes(1_000))];
  const own = await upload(bob, randomBytes(1_000));
  for (const file of [read, unread]) await download(bob, file);
  clock.aheadMs += 60 * DAY;
  expect(await isHere(read)).toBe(true);
  clock.aheadMs += 31 * DAY;
  await clean();
  expect([await isHere(read), await isHere(unread), await isHere(own)]).toEqual([true, false, true]);
  // It can be had again.
  expect((await download(bob, unread)).status).toBe(200);
});

it('are at most as many bytes as the operator wants, those that were read last', async () => {
  const files: Uploaded[] = [];
  for (let i = 0; i < 4; i++) {
    files.push(await upload(alice, randomBytes(30_000)));
    await download(bob, files[i]!);
    clock.aheadMs += DAY + 1;
  }
  await clean();
  expect(await Promise.all(files.map(isHere))).toEqual([false, true, true, true]);
});

it('are files of a server that is silent, however old', async () => {
  const file = await upload(alice, randomBytes(1_000));
  await download(bob, file);
  const other = await upload(alice, randomBytes(1_000));
  await a.stop();
  expect((await download(bob, other)).status).toBe(502);
  clock.aheadMs += 400 * DAY;
  await clean();
  expect(await isHere(file)).toBe(true);
});
