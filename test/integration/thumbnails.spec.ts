import { randomBytes } from 'node:crypto';
import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { ThumbnailMaker } from '../../apps/homeserver/src/media/thumbnails/thumbnail-maker.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { type Uploaded, upload } from '../network/media.js';
import { Network } from '../network/network.js';
import type { RawResponse, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

// Client-server API, §Thumbnails; server-server API, `GET /media/thumbnail`.
let net: Network;
let a: TestServer;
let alice: TestClient;
let bob: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  a = net.server('a');
  [alice, bob] = [await net.client('a').register('alice'), await net.client('b').register('bob')];
}, 60_000);
afterAll(() => net?.stop());

const size = (width: number, height: number, more: object = {}) => ({ width, height, ...more });
const thumbnail = (client: TestClient, { path }: Pick<Uploaded, 'path'>, query: Record<string, string | number | boolean>, headers = {}): Promise<RawResponse> =>
  client.raw('GET', `/v1/media/thumbnail/${path}`, undefined, { query, headers });
const picture = (width: number, height: number, channels: 3 | 4 = 3) => sharp({ create: { width, height, channels, background: { r: 200, g: 30, b: 30, alpha: 0.5 } } });
/** Frames of one colour each. */
async function film(count: number): Promise<Buffer> {
  const frames = await Promise.all(Array.from({ length: count }, (_, i) => sharp({ create: { width: 400, height: 200, channels: 3, background: { r: 60 * i, g: 10, b: 10 } } }).png().toBuffer()));
  return sharp(frames, { join: { animated: true } }).gif({ delay: frames.map(() => 100), loop: 0 }).toBuffer();
}

describe('a thumbnail', () => {
  let photo: Uploaded;
  beforeAll(async () => {
    photo = await upload(alice, await picture(2_000, 1_000).jpeg().toBuffer(), 'image/jpeg');
  });

  it.each([
    ['scale', 320, 240, [320, 160]], ['scale', 300, 200, [320, 160]], ['scale', 640, 480, [640, 320]], ['scale', 801, 600, [1_600, 800]],
    ['scale', 9_000, 9_000, [1_600, 800]], ['crop', 32, 32, [32, 32]], ['crop', 33, 20, [96, 96]], ['crop', 96, 96, [96, 96]],
  ])('by %s to %i × %i has the size %j, here and elsewhere', async (method, width, height, wanted) => {
    for (const client of [alice, bob]) {
      const answer = await thumbnail(client, photo, size(width, height, { method }));
      expect(answer.headers).toMatchObject({ 'content-type': 'image/jpeg', 'content-disposition': 'inline; filename=thumbnail.jpeg', 'cross-origin-resource-policy': 'cross-origin' });
      const { width: w, height: h, format } = await sharp(answer.bytes).metadata();
      expect([format, [w, h]]).toEqual(['jpeg', wanted]);
    }
  });

  it('is never larger than its picture, stands upright, and shows through where the picture does', async () => {
    const small = await upload(alice, await picture(50, 40, 4).png().toBuffer());
    const shown = await sharp((await thumbnail(alice, small, size(320, 240))).bytes).metadata();
    expect(shown).toMatchObject({ format: 'png', width: 50, height: 40, hasAlpha: true });
    const lying = await upload(alice, await picture(200, 100).jpeg().withMetadata({ orientation: 6 }).toBuffer(), 'image/jpeg');
    expect(await sharp((await thumbnail(alice, lying, size(96, 96))).bytes).metadata()).toMatchObject({ width: 48, height: 96 });
  });

  it('is made once, and not sent to who has it', async () => {
    const fresh = await upload(alice, await picture(700, 600).jpeg().toBuffer(), 'image/jpeg');
    const { made } = a.get(ThumbnailMaker);
    const answers = await Promise.all(Array.from({ length: 6 }, () => thumbnail(alice, fresh, size(320, 240))));
    for (const { status, bytes } of answers) expect([status, bytes.equals(answers[0]!.bytes)]).toEqual([200, true]);
    expect(a.get(ThumbnailMaker).made).toBe(made + 1);
    const again = await thumbnail(alice, fresh, size(320, 240), { 'if-none-match': answers[0]!.headers['etag'] });
    expect(again.status).toBe(304);
    await a.restart();
    expect((await thumbnail(alice, fresh, size(320, 240))).bytes.equals(answers[0]!.bytes)).toBe(true);
    // It was kept.
    expect(a.get(ThumbnailMaker).made).toBe(0);
    // As a loss of power may leave one that was just made.
    const folder = join(a.config.dataDir, 'media', 'thumbnails');
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) if (name.endsWith('.jpeg')) truncateSync(join(folder, name));
    expect((await sharp((await thumbnail(alice, fresh, size(320, 240))).bytes).metadata()).format).toBe('jpeg');
  });

  it('moves where that is wanted, and can be', async () => {
    const moving = await upload(alice, await film(4), 'image/gif');
    const [still, plain, animated] = [
      await thumbnail(alice, moving, size(96, 96, { animated: false })), await thumbnail(alice, moving, size(96, 96)), await thumbnail(bob, moving, size(96, 96, { animated: true })),
    ];
    for (const { bytes } of [still, plain]) expect((await sharp(bytes).metadata()).pages ?? 1).toBe(1);
    expect(animated.headers['content-type']).toBe('image/webp');
    expect(await sharp(animated.bytes).metadata()).toMatchObject({ pages: 4, width: 96, height: 48 });
    expect((await thumbnail(alice, photo, size(96, 96, { animated: true }))).headers['content-type']).toBe('image/jpeg');
  });

  it('is there without a token in the old form, and for servers in two parts', async () => {
    const old = await alice.raw('GET', `/_matrix/media/v3/thumbnail/${photo.path}`, undefined, { anonymous: true, query: size(32, 32, { method: 'crop' }) });
    expect(old.headers['content-type']).toBe('image/jpeg');
    const other = await HostileServer.start();
    try {
      const answer = await other.raw(a, 'GET', `/_matrix/federation/v1/media/thumbnail/${photo.path.split('/')[1]!}?width=32&height=32&method=crop`);
      expect(answer.headers['content-type']).toMatch(/^multipart\/mixed; boundary=/);
      expect(answer.bytes.includes(old.bytes)).toBe(true);
    } finally {
      await other.stop();
    }
  });
});

describe('there is no thumbnail', () => {
  it.each([
    ['of what is no picture', randomBytes(1_000), 400, 'M_UNKNOWN'],
    // Its beginning says so only.
    ['of what begins like a picture', Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(1_000)]), 400, 'M_UNKNOWN'],
    ['of a drawing that could fetch and run things', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'), 400, 'M_UNKNOWN'],
    ['of a picture with more pixels than memory has room for', bomb(60_000, 60_000), 413, 'M_TOO_LARGE'],
  ])('%s', async (_what, bytes, status, errcode) => {
    const file = await upload(alice, bytes, 'image/png');
    await alice.expectError(status, errcode, 'GET', `/v1/media/thumbnail/${file.path}`, undefined, { query: size(32, 32) });
    expect(readdirSync(join(a.config.dataDir, 'media', 'incoming'))).toEqual([]);
  });

  it('without a size', async () => {
    const file = await upload(alice, await picture(50, 40).png().toBuffer());
    await alice.expectError(400, 'M_MISSING_PARAM', 'GET', `/v1/media/thumbnail/${file.path}`);
    for (const query of [{ width: -1, height: 10 }, { width: 'a', height: 10 }, { width: 10, height: 10, method: 'stretch' }]) {
      await alice.expectError(400, 'M_INVALID_PARAM', 'GET', `/v1/media/thumbnail/${file.path}`, undefined, { query });
    }
  });
});

/** A PNG that claims many pixels and holds none. */
function bomb(width: number, height: number): Buffer {
  const head = Buffer.alloc(25);
  head.writeUInt32BE(13, 0);
  head.write('IHDR', 4);
  head.writeUInt32BE(width, 8);
  head.writeUInt32BE(height, 12);
  head.set([8, 2, 0, 0, 0], 16);
  head.writeUInt32BE(crc32(head.subarray(4, 21)), 21);
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), head, Buffer.from('0000000049444154', 'hex'), Buffer.from('35af061e', 'hex')]);
}
