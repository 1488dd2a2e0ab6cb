import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { HostileServer, Verbatim } from '../hostile/hostile-server.js';
import { download, fill, openDownload, pixel, reserve, sha256, upload } from '../network/media.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

// Media of other servers (server-server API, §Content repository).
const MAX = 1024 * 1024;
let net: Network;
let a: TestServer;
let b: TestServer;
let alice: TestClient;
let bob: TestClient;
let other: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'], config: { maxUploadBytes: MAX } });
  [a, b] = net.servers as [TestServer, TestServer];
  [alice, bob, other] = [await net.client(a).register('alice'), await net.client(b).register('bob'), await HostileServer.start()];
}, 60_000);
afterAll(async () => {
  await net?.stop();
  await other?.stop();
});

/** An answer in two parts, as the specification wants it. */
function parts(headers: string, body: Buffer | string): Verbatim {
  const lines = ['--xyz', 'Content-Type: application/json', '', '{}', '--xyz', headers, '', ''].join('\r\n');
  return new Verbatim(200, { 'content-type': 'multipart/mixed; boundary="xyz"' }, Buffer.concat([Buffer.from(lines), Buffer.from(body), Buffer.from('\r\n--xyz--\r\n')]));
}

describe('a file of another server', () => {
  it('comes as it was, and is read again without its server', async () => {
    const bytes = randomBytes(700_000);
    const file = await upload(alice, bytes, 'application/pdf', { filename: 'über.pdf' });
    const answer = await download(bob, file);
    expect(answer.bytes.equals(bytes)).toBe(true);
    expect(answer.headers).toMatchObject({ 'content-type': 'application/pdf', etag: `"${sha256(bytes)}"` });
    expect(answer.headers['content-disposition']).toBe((await download(alice, file)).headers['content-disposition']);
    await a.stop();
    try {
      expect((await openDownload(bob, file)).bytes.equals(bytes)).toBe(true);
    } finally {
      await a.start();
    }
  });

  it('is fetched once by all who want it at the same time', async () => {
    let count = 0;
    other.on(/media\/download\/once/, () => (count++, parts('Content-Type: image/png', pixel)));
    const answers = await Promise.all(Array.from({ length: 5 }, () => download(bob, { path: `${other.name}/once` })));
    expect(answers.map(({ bytes }) => bytes.equals(pixel))).toEqual(Array(5).fill(true));
    expect(count).toBe(1);
  });

  it('is waited for where it was announced', async () => {
    const address = await reserve(alice);
    const missing = await download(bob, address, { query: { timeout_ms: 0 } });
    expect([missing.status, missing.body.errcode]).toEqual([504, 'M_NOT_YET_UPLOADED']);
    const waiting = download(bob, address, { query: { timeout_ms: 60_000 } });
    await fill(alice, address, pixel);
    expect((await waiting).bytes).toEqual(pixel);
  });

  it('that does not exist is not found', async () => {
    const missing = await download(bob, { path: `${a.name}/nothing` });
    expect([missing.status, missing.body.errcode]).toEqual([404, 'M_NOT_FOUND']);
  });

  it('is given to servers that sign, in two parts, and only if it is of the server that is asked', async () => {
    const file = await upload(alice, pixel, 'image/png', { filename: 'a.png' });
    const mediaId = file.path.split('/')[1]!;
    const answer = await other.raw(a, 'GET', `/_matrix/federation/v1/media/download/${mediaId}`);
    const boundary = /^multipart\/mixed; boundary=([\w-]+)$/.exec(answer.headers['content-type'] as string)![1]!;
    const [, json, media, end] = answer.bytes.toString('latin1').split(`--${boundary}`);
    expect(json).toBe('\r\nContent-Type: application/json\r\n\r\n{}\r\n');
    expect(media).toBe(`\r\ncontent-type: image/png\r\ncontent-disposition: inline; filename=a.png\r\n\r\n${pixel.toString('latin1')}\r\n`);
    expect(end).toBe('--\r\n');
    expect(answer.headers['content-length']).toBe(String(answer.bytes.length));
    await download(bob, file);
    await other.expectError(404, 'M_NOT_FOUND', b, 'GET', `/_matrix/federation/v1/media/download/${mediaId}`);
    await bob.expectError(401, 'M_UNAUTHORIZED', 'GET', `/_matrix/federation/v1/media/download/${mediaId}`);
  });
});

describe('another server', () => {
  it('of before Matrix 1.11 is asked in the old way, over redirects', async () => {
    other.on(/federation\/v1\/media\/download\/(old|moved)/, () => new Verbatim(404, {}, '{"errcode":"M_UNRECOGNIZED"}'));
    other.on(/_matrix\/media\/v3\/download\/.*\/old\?/, () => new Verbatim(200, { 'content-type': 'image/png', 'content-disposition': 'inline; filename="x.png"' }, pixel));
    other.on(/_matrix\/media\/v3\/download\/.*\/moved\?/, () => new Verbatim(307, { location: `https://${other.name}/elsewhere?x=1` }, ''));
    other.on(/^\/elsewhere\?x=1$/, () => new Verbatim(200, { 'content-type': 'image/png' }, pixel));
    const old = await download(bob, { path: `${other.name}/old` });
    expect([old.bytes.equals(pixel), old.headers['content-disposition']]).toEqual([true, 'inline; filename=x.png']);
    expect(other.requests.find(({ path }) => path.startsWith('/_matrix/media/v3/') && path.includes('/old?'))!.path).toContain('allow_remote=false');
    expect((await download(bob, { path: `${other.name}/moved` })).bytes).toEqual(pixel);
  });

  it('may say where the file is', async () => {
    other.on(/media\/download\/located/, () => parts(`Location: https://${other.name}/cdn`, ''));
    other.on(/^\/cdn$/, () => new Verbatim(200, { 'content-type': 'image/png' }, pixel));
    expect((await download(bob, { path: `${other.name}/located` })).bytes).toEqual(pixel);
  });

  it.each([
    ['sends anybody elsewhere without end', 'loop', (name: string) => parts(`Location: https://${name}/loop`, '')],
    ['sends anybody to what is not encrypted', 'plain', () => parts(`Location: ${b.url}/_matrix/client/versions`, '')],
    ['gives more than is taken', 'large', () => parts('Content-Type: image/png', Buffer.alloc(MAX + 1))],
    ['ends early', 'short', () => new Verbatim(200, { 'content-type': 'multipart/mixed; boundary=xyz' }, '--xyz\r\nContent-Type: application/json\r\n\r\n{}\r\n--xyz\r\n\r\nbeginning')],
    ['gives one part', 'single', () => new Verbatim(200, { 'content-type': 'multipart/mixed; boundary=xyz' }, '--xyz\r\n\r\n{}\r\n--xyz--\r\n')],
    ['answers something else', 'json', () => ({})],
  ])('that %s is told of, and nothing is stored', async (_what, id, answer) => {
    const bad = await HostileServer.start();
    try {
      bad.on(/media\/download\//, () => answer(bad.name));
      bad.on(/^\/loop$/, () => new Verbatim(308, { location: `https://${bad.name}/loop` }, ''));
      const refused = await download(bob, { path: `${bad.name}/${id}` });
      expect([refused.status, refused.body.errcode]).toEqual([502, id === 'large' ? 'M_TOO_LARGE' : 'M_UNKNOWN']);
      const stored = await download(bob, { path: `${bad.name}/${id}` }, { query: { allow_remote: false } });
      expect(stored.status).toBe(404);
      expect(readdirSync(join(b.config.dataDir, 'media', 'incoming'))).toEqual([]);
    } finally {
      await bad.stop();
    }
  });
});
