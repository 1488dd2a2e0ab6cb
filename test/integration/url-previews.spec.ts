import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { download } from '../network/media.js';

// Client-server API, `GET /media/preview_url`.
type Page = (request: IncomingMessage, response: ServerResponse) => void;
let net: Network;
let alice: TestClient;
let web: Server;
let base: string;
const pages = new Map<string, Page>();
const asked: string[] = [];
const page = (path: string, type: string, content: string | Buffer, status = 200, headers = {}) =>
  pages.set(path, (_request, response) => response.writeHead(status, { 'content-type': type, ...headers }).end(content));

beforeAll(async () => {
  web = createServer((request, response) => {
    asked.push(request.url!);
    const answer = pages.get(request.url!);
    if (answer) answer(request, response);
    else response.writeHead(404).end('<title>Not found</title>');
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  net = await Network.start({ servers: ['a'], config: { urlPreviews: true } });
  alice = await net.client('a').register('alice');
}, 60_000);
afterAll(async () => {
  await net?.stop();
  web?.closeAllConnections();
  web?.close();
});

const preview = (path: string, client = alice): Promise<Json> => client.request('GET', '/v1/media/preview_url', undefined, { query: { url: `${base}${path}`, ts: 1_500_000_000_000 } });
const picture = sharp({ create: { width: 48, height: 32, channels: 3, background: 'teal' } }).png().toBuffer();

it('is what the page says of itself, with its image as media', async () => {
  const image = await picture;
  page('/rock', 'text/html; charset=iso-8859-1', Buffer.from(`<title>No</title><meta property="og:title" content="Caf\u00e9"><meta property="og:type" content="video.movie">
    <meta property="og:image" content="images/rock.png"><meta property="og:image:width" content="9999"><meta property="og:image:alt" content="x">`, 'latin1'));
  page('/images/rock.png', 'image/png', image);
  const answer = await preview('/rock');
  const { 'og:image': uri, ...rest } = answer;
  expect(rest).toEqual({
    'og:title': 'Café', 'og:type': 'video.movie', 'og:image:type': 'image/png', 'og:image:width': 48, 'og:image:height': 32, 'matrix:image:size': image.length,
  });
  expect((await download(alice, { path: uri.slice('mxc://'.length) })).bytes.equals(image)).toBe(true);
  const thumbnail = await alice.raw('GET', `/v1/media/thumbnail/${uri.slice('mxc://'.length)}`, undefined, { query: { width: 32, height: 32 } });
  expect(thumbnail.status).toBe(200);
  // Both forms, and once for all.
  expect(await alice.request('GET', '/_matrix/media/v3/preview_url', undefined, { query: { url: `${base}/rock#part` } })).toEqual(answer);
  expect(asked.filter((path) => path === '/rock')).toHaveLength(1);
});

it('is of the page to which an address leads, and takes what it lacks from oEmbed', async () => {
  page('/short', 'text/html', '', 302, { location: '/long/page' });
  page('/long/page', 'text/html', '<link rel="alternate" type="application/json+oembed" href="oembed.json"><p>Text of the page');
  page('/long/oembed.json', 'application/json', JSON.stringify({ type: 'video', title: 'A film', provider_name: 'Films', thumbnail_url: `${base}/film.png` }));
  page('/film.png', 'image/png', await picture);
  expect(await preview('/short')).toMatchObject({ 'og:title': 'A film', 'og:site_name': 'Films', 'og:description': 'Text of the page', 'og:image': expect.stringMatching(/^mxc:/) });
});

it('is the picture itself, nothing of other files, and no image of what is none', async () => {
  page('/direct.png', 'image/png', await picture);
  page('/data.bin', 'application/octet-stream', Buffer.alloc(100));
  page('/lies', 'text/html', '<title>Lies</title><meta property="og:image" content="/not.png">');
  page('/not.png', 'image/png', '<html>');
  expect(await preview('/direct.png')).toMatchObject({ 'og:image': expect.stringMatching(/^mxc:/), 'og:image:width': 48 });
  expect(await preview('/data.bin')).toEqual({});
  expect(await preview('/lies')).toEqual({ 'og:title': 'Lies' });
});

it('reads the beginning of a page without end', async () => {
  pages.set('/endless', (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).write('<title>Endless</title>');
    const more = (): void => {
      while (response.write('<p>'.repeat(10_000)));
    };
    response.on('drain', more);
    more();
  });
  expect(await preview('/endless')).toMatchObject({ 'og:title': 'Endless' });
});

it('fails in the words of Matrix', async () => {
  const refused = (status: number, errcode: string, url: string, client = alice) => client.expectError(status, errcode, 'GET', '/v1/media/preview_url', undefined, { query: { url } });
  page('/loop', 'text/html', '', 302, { location: '/loop' });
  page('/away', 'text/html', '', 302, { location: 'file:///etc/passwd' });
  for (const path of ['/missing', '/loop', '/away']) await refused(502, 'M_UNKNOWN', base + path);
  for (const url of ['file:///etc/passwd', 'nothing', 'http://user:password@example.org/', '']) await refused(400, 'M_INVALID_PARAM', url);
  await alice.expectError(400, 'M_MISSING_PARAM', 'GET', '/v1/media/preview_url');
  await alice.expectError(401, 'M_MISSING_TOKEN', 'GET', '/v1/media/preview_url', undefined, { anonymous: true, query: { url: base } });
});

it('calls no address of this machine or its network, and nothing at all unless the operator wants it', async () => {
  const guarded = await net.client(await net.add('guarded', { allowPrivateAddresses: false })).register('bob');
  const before = asked.length;
  const { port } = new URL(base);
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '0x7f000001', '127.1', '[::ffff:127.0.0.1]', '192.168.0.1', '169.254.169.254']) {
    await guarded.expectError(403, 'M_FORBIDDEN', 'GET', '/v1/media/preview_url', undefined, { query: { url: `http://${host}:${port}/rock` } });
  }
  const off = await net.client(await net.add('off', { urlPreviews: false })).register('carol');
  expect(await preview('/rock', off)).toEqual({});
  expect(asked).toHaveLength(before);
});
