import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';
import sharp from 'sharp';
import { MediaRetention } from '../../apps/homeserver/src/media/retention/media-retention.js';
import { download, upload } from '../network/media.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';
import { TravellingClock } from '../network/travelling-clock.js';

// Pictures and files in a bucket. The store is s3rver, with its own keys.
const keys = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };
const clock = new TravellingClock();
let folder: string;
let store: S3rver;
let net: Network;
let alice: TestClient;
let bob: TestClient;
beforeAll(async () => {
  Object.assign(process.env, keys);
  folder = mkdtempSync(join(tmpdir(), 'partyline-s3-'));
  store = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: folder, configureBuckets: [{ name: 'media' }] });
  const { port } = await store.run();
  const mediaPlace = { bucket: 'media', prefix: 'a/', endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1' };
  net = await Network.start({ servers: ['a', 'b'], configs: { a: { mediaPlace } }, clock });
  [alice, bob] = [await net.client('a').register('alice'), await net.client('b').register('bob')];
}, 60_000);
afterAll(async () => {
  await net?.stop();
  await store?.close();
  rmSync(folder, { recursive: true, force: true });
  for (const name of Object.keys(keys)) delete process.env[name];
});

/** Keys of objects below a prefix. */
const objects = (prefix: string): string[] => {
  const root = join(folder, 'media', prefix);
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('_object'));
};

it('are uploaded, read whole and in parts, here and elsewhere, and lie in the bucket once', async () => {
  const bytes = randomBytes(400_000);
  const [file, again] = [await upload(alice, bytes, 'application/pdf'), await upload(alice, bytes, 'application/pdf')];
  for (const client of [alice, bob]) expect((await download(client, file)).bytes.equals(bytes)).toBe(true);
  const part = await download(alice, again, { headers: { range: 'bytes=1000-1999' } });
  expect([part.status, part.bytes.equals(bytes.subarray(1_000, 2_000))]).toEqual([206, true]);
  expect(objects('a/files')).toHaveLength(1);
  const { dataDir } = net.server('a').config;
  expect([existsSync(join(dataDir, 'media', 'files')), readdirSync(join(dataDir, 'media', 'incoming'))]).toEqual([false, []]);
});

it('have thumbnails there, and leave nothing when they go', async () => {
  const picture = await sharp({ create: { width: 300, height: 200, channels: 3, background: 'navy' } }).png().toBuffer();
  const shown = await upload(bob, picture);
  const thumbnail = () => alice.raw('GET', `/v1/media/thumbnail/${shown.path}`, undefined, { query: { width: 96, height: 96 } });
  const [first, second] = [await thumbnail(), await thumbnail()];
  expect([first.status, second.bytes.equals(first.bytes)]).toEqual([200, true]);
  const before = objects('a/files').length;
  expect(objects('a/thumbnails')).toHaveLength(1);
  clock.aheadMs += 91 * 24 * 3_600_000;
  await net.server('a').get(MediaRetention).run();
  expect(objects('a/files')).toHaveLength(before - 1);
  expect(objects('a/thumbnails')).toEqual([]);
});

it('cannot be stored while the store does not answer, which is told', async () => {
  const lost = await net.add('lost', { mediaPlace: { bucket: 'missing', prefix: '', endpoint: net.server('b').url, region: 'us-east-1' } });
  const carol = await net.client(lost).register('carol');
  await carol.expectError(503, 'M_UNKNOWN', 'POST', '/_matrix/media/v3/upload', randomBytes(100));
  expect(readdirSync(join(lost.config.dataDir, 'media', 'incoming'))).toEqual([]);
});
