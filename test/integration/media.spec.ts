import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { download, fill, openDownload, pixel, reserve, sha256, upload } from '../network/media.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';
import { TravellingClock } from '../network/travelling-clock.js';

// Pictures and files of one server (client-server API, §Content repository).
const MAX = 1024 * 1024;
const clock = new TravellingClock();
let net: Network;
let alice: TestClient;
let bob: TestClient;
beforeAll(async () => {
  net = await Network.start({ config: { maxUploadBytes: MAX, mediaQuotaBytes: 3 * MAX }, clock });
  [alice, bob] = [await net.client().register('alice'), await net.client().register('bob')];
}, 60_000);
afterAll(() => net?.stop());

const filesOf = (): string[] => {
  const folder = join(net.servers[0]!.config.dataDir, 'media', 'files');
  return existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name) : [];
};

describe('what was uploaded', () => {
  it('is read as it was, with its type and name, by both forms', async () => {
    const picture = await upload(alice, pixel, 'image/png', { filename: 'süß.png' });
    expect(picture.uri).toMatch(/^mxc:\/\/localhost:\d+\/[\w-]{20,}$/);
    for (const answer of [await download(bob, picture), await openDownload(bob, picture)]) {
      expect(answer.status).toBe(200);
      expect(answer.bytes).toEqual(pixel);
      expect(answer.headers).toMatchObject({
        'content-type': 'image/png', 'content-length': String(pixel.length), 'content-disposition': 'inline; filename="s??.png"; filename*=UTF-8\'\'s%C3%BC%C3%9F.png',
        'cross-origin-resource-policy': 'cross-origin', 'x-content-type-options': 'nosniff', etag: `"${sha256(pixel)}"`,
      });
      expect(answer.headers['content-security-policy']).toMatch(/^sandbox; default-src 'none';/);
      expect(answer.headers['cache-control']).toMatch(/^(public|private), max-age=31536000, immutable$/);
    }
    const renamed = await download(bob, { path: `${picture.path}/other.png` });
    expect(renamed.headers['content-disposition']).toBe('inline; filename=other.png');
    const r0 = await bob.raw('GET', `/_matrix/media/r0/download/${picture.path}`, undefined, { anonymous: true });
    expect(r0.bytes).toEqual(pixel);
  });

  it('takes a token in the form with tokens', async () => {
    const picture = await upload(alice, pixel);
    await alice.expectError(401, 'M_MISSING_TOKEN', 'GET', `/v1/media/download/${picture.path}`, undefined, { anonymous: true });
    await alice.expectError(401, 'M_MISSING_TOKEN', 'POST', '/_matrix/media/v3/upload', pixel, { anonymous: true });
  });

  it.each([
    ['text/html', '<script>alert(1)</script>', 'text/html', 'attachment'],
    ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>', 'image/svg+xml', 'attachment'],
    ['text/plain; charset=utf-8', 'Hello', 'text/plain; charset=utf-8', 'inline'],
    // It claims to be what it is not, as encrypted files do.
    ['image/png', 'no picture', 'application/octet-stream', 'attachment'],
    ['text/plain\u0001', 'Hello', 'application/octet-stream', 'attachment'],
  ])('of the type %s with %s is served as %s, %s', async (type, content, served, disposition) => {
    const { headers, status } = await rawUpload(alice, type, Buffer.from(content));
    expect(status).toBe(200);
    expect(headers['content-type']).toBe(served);
    expect(headers['content-disposition']).toBe(disposition);
  });

  it('needs no type, and no content', async () => {
    const { headers, status } = await rawUpload(alice, undefined, Buffer.alloc(0));
    expect([status, headers['content-type'], headers['content-length']]).toEqual([200, 'application/octet-stream', '0']);
  });

  it('is read in parts, and not at all by who has it', async () => {
    const bytes = randomBytes(300_000);
    const file = await upload(alice, bytes, 'application/pdf');
    const part = await download(bob, file, { headers: { range: 'bytes=100000-199999' } });
    expect([part.status, part.headers['content-range']]).toEqual([206, 'bytes 100000-199999/300000']);
    expect(part.bytes.equals(bytes.subarray(100_000, 200_000))).toBe(true);
    const end = await download(bob, file, { headers: { range: 'bytes=-10', 'if-range': part.headers['etag'] as string } });
    expect(end.bytes.equals(bytes.subarray(-10))).toBe(true);
    const changed = await download(bob, file, { headers: { range: 'bytes=-10', 'if-range': '"other"' } });
    expect([changed.status, changed.bytes.length]).toEqual([200, 300_000]);
    const beyond = await download(bob, file, { headers: { range: 'bytes=300000-' } });
    expect([beyond.status, beyond.headers['content-range'], beyond.body.errcode]).toEqual([416, 'bytes */300000', 'M_INVALID_PARAM']);
    const head = await bob.raw('HEAD', `/v1/media/download/${file.path}`);
    expect([head.status, head.headers['content-length'], head.bytes.length]).toEqual([200, '300000', 0]);
    const known = await download(bob, file, { headers: { 'if-none-match': `"x", ${part.headers['etag'] as string}` } });
    expect([known.status, known.bytes.length]).toEqual([304, 0]);
  });

  it('is stored once, whoever uploads it, and stays over a kill', async () => {
    const bytes = randomBytes(2_000);
    const one = await upload(alice, bytes);
    const before = filesOf();
    const other = await upload(bob, bytes);
    expect(other.uri).not.toBe(one.uri);
    expect(filesOf()).toEqual(before);
    await net.servers[0]!.crash();
    await net.servers[0]!.start();
    for (const file of [one, other]) expect((await download(bob, file)).bytes.equals(bytes)).toBe(true);
  });

  it('is not there where nothing is', async () => {
    const server = net.servers[0]!.name;
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `/v1/media/download/${server}/nothing`);
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', `/v1/media/download/${server}/..%2F..%2Fsigning.key`);
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', '/v1/media/download/..%2F/x');
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', '/v1/media/download/example.org/x', undefined, { query: { allow_remote: false } });
  });

  it('is bounded in size, told before and after it was sent, and nothing of it stays', async () => {
    expect(await alice.request('GET', '/v1/media/config')).toEqual({ 'm.upload.size': MAX });
    expect(await alice.request('GET', '/_matrix/media/v3/config')).toEqual({ 'm.upload.size': MAX });
    const before = filesOf();
    await alice.expectError(413, 'M_TOO_LARGE', 'POST', '/_matrix/media/v3/upload', Buffer.alloc(MAX + 1));
    expect(await chunkedUpload(alice, MAX + 1)).toBe(413);
    expect(filesOf()).toEqual(before);
    const incoming = join(net.servers[0]!.config.dataDir, 'media', 'incoming');
    await eventually(() => readdirSync(incoming).length === 0, 30_000);
  });

  it('is bounded for each account', async () => {
    const carol = await net.client().register('carol');
    for (let i = 0; i < 3; i++) await upload(carol, randomBytes(MAX - 100));
    await carol.expectError(403, 'M_FORBIDDEN', 'POST', '/_matrix/media/v3/upload', randomBytes(1_000));
    await upload(carol, randomBytes(100));
    await upload(bob, randomBytes(1_000));
  });

  it('comes for each account in a few pieces at once', async () => {
    const frank = await net.client().register('frank');
    const open = Array.from({ length: 10 }, () => slowUpload(frank));
    // Each has been begun, and none has ended.
    await eventually(() => readdirSync(join(net.servers[0]!.config.dataDir, 'media', 'incoming')).length === 10, 30_000);
    await frank.expectError(429, 'M_LIMIT_EXCEEDED', 'POST', '/_matrix/media/v3/upload', pixel);
    await upload(bob, pixel);
    for (const { end } of open) end();
    expect(await Promise.all(open.map(({ status }) => status))).toEqual(Array(10).fill(200));
    await upload(frank, pixel);
  });

  it('goes with an account that wanted as much as possible erased, and else stays', async () => {
    for (const erase of [false, true]) {
      const name = `leaver${erase}`;
      const leaver = await net.client().register(name);
      const file = await upload(leaver, randomBytes(1_000));
      const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: name }, password: `password of ${name}` };
      const { body: { session } } = await leaver.raw('POST', '/v3/account/deactivate', { erase });
      await leaver.request('POST', '/v3/account/deactivate', { erase, auth: { ...auth, session } });
      await eventually(async () => (await download(bob, file)).status === (erase ? 404 : 200), 30_000);
    }
  });
});

describe('an address that was reserved', () => {
  it('gets its file once, from who reserved it', async () => {
    const address = await reserve(alice);
    expect(address.answer.unused_expires_at).toBeGreaterThan(clock.now());
    await bob.expectError(504, 'M_NOT_YET_UPLOADED', 'GET', `/v1/media/download/${address.path}`, undefined, { query: { timeout_ms: 0 } });
    expect((await fill(bob, address, pixel)).body.errcode).toBe('M_FORBIDDEN');
    expect((await fill(alice, address, pixel, { query: { filename: 'a.png' } })).body).toEqual({});
    const again = await fill(alice, address, randomBytes(10));
    expect([again.status, again.body.errcode]).toEqual([409, 'M_CANNOT_OVERWRITE_MEDIA']);
    expect((await download(bob, address)).headers).toMatchObject({ 'content-type': 'image/png', 'content-disposition': 'inline; filename=a.png' });
    const unknown = await fill(alice, { path: `${net.servers[0]!.name}/unknown` }, pixel);
    expect([unknown.status, unknown.body.errcode]).toEqual([404, 'M_NOT_FOUND']);
  });

  it('is waited at', async () => {
    const address = await reserve(alice);
    const waiting = download(bob, address, { query: { timeout_ms: 60_000 } });
    expect((await fill(alice, address, pixel)).status).toBe(200);
    expect((await waiting).bytes).toEqual(pixel);
  });

  it('ends after a day without an upload, and makes room for another', async () => {
    const dave = await net.client().register('dave');
    const addresses = [];
    for (let i = 0; i < 20; i++) addresses.push(await reserve(dave));
    const { retry_after_ms } = await dave.expectError(429, 'M_LIMIT_EXCEEDED', 'POST', '/_matrix/media/v1/create', {});
    expect(retry_after_ms).toBeGreaterThan(0);
    clock.aheadMs += 24 * 3_600_000 + 1;
    await reserve(dave);
    expect((await fill(dave, addresses[0]!, pixel)).status).toBe(404);
    await dave.expectError(404, 'M_NOT_FOUND', 'GET', `/v1/media/download/${addresses[0]!.path}`);
  });
});

it('is read with a token only, where the operator wants it', async () => {
  const closed = await net.add('closed', { openMedia: false });
  const erin = await net.client(closed).register('erin');
  const file = await upload(erin, pixel);
  expect((await openDownload(erin, file)).body.errcode).toBe('M_NOT_FOUND');
  expect((await download(erin, file)).bytes).toEqual(pixel);
});

/** Uploads with exactly that header, and reads the headers of the download. */
async function rawUpload(client: TestClient, type: string | undefined, bytes: Buffer) {
  const answer = await new Promise<string>((resolve, reject) => {
    const headers = { authorization: `Bearer ${client.accessToken}`, ...(type !== undefined && { 'content-type': type.replace('\u0001', '\u00ff') }), 'content-length': bytes.length };
    httpRequest(new URL('/_matrix/media/v3/upload', client.server.url), { method: 'POST', agent: false, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => resolve(text)).on('error', reject);
    }).on('error', reject).end(bytes);
  });
  return download(client, { path: (JSON.parse(answer).content_uri as string).slice('mxc://'.length) });
}

/** An upload that goes on when it is told to. */
function slowUpload(client: TestClient): { readonly status: Promise<number>; end(): void } {
  const request = httpRequest(new URL('/_matrix/media/v3/upload', client.server.url), {
    method: 'POST', agent: false, headers: { authorization: `Bearer ${client.accessToken}`, 'transfer-encoding': 'chunked' },
  });
  const status = new Promise<number>((resolve, reject) => {
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode!);
    }).on('error', reject);
  });
  request.write('begin');
  return { status, end: () => request.end('end') };
}

/** Status of an upload whose length nobody knows before. */
function chunkedUpload(client: TestClient, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL('/_matrix/media/v3/upload', client.server.url), {
      method: 'POST', agent: false, headers: { authorization: `Bearer ${client.accessToken}`, 'transfer-encoding': 'chunked' },
    }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    }).on('error', reject);
    for (let sent = 0; sent < bytes; sent += 65_536) request.write(Buffer.alloc(Math.min(65_536, bytes - sent)));
    request.end();
  });
}
