import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { AnswerDelivery } from '../../apps/homeserver/src/http/answer-delivery.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';

// Who asks for much and does not read it: the memory is not his for ever, nor that of others.

/** Asks without reading; `read` reads on, and gives the status. */
class SilentReader {
  #text = '';
  isClosed = false;
  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#text = `${this.#text}${String(chunk)}`.slice(0, 1_000);
    });
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', () => undefined);
    socket.pause();
  }

  static async ask(port: number, path: string, token = ''): Promise<SilentReader> {
    const socket = connect({ port, host: '127.0.0.1' });
    const reader = new SilentReader(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`);
    return reader;
  }

  async read(): Promise<number> {
    this.socket.resume();
    await eventually(() => this.isClosed, 20_000);
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.#text)?.[1]);
  }
}

describe('readers of /sync that do not read', () => {
  let net: Network;
  beforeAll(async () => {
    net = await Network.start();
  });
  afterAll(() => net.stop());

  it('get so much and no more, while others are answered', async () => {
    const [greedy, alice] = [await net.client().register('greedy'), await net.client().register('alice')] as [TestClient, TestClient];
    for (let i = 0; i < 12; i++) await greedy.request('PUT', `/v3/user/${encodeURIComponent(greedy.userId)}/account_data/t${i}`, { x: 'x'.repeat(500_000) });
    const { httpPort } = net.server('a').config;
    const readers = await Promise.all(Array.from({ length: 40 }, () => SilentReader.ask(httpPort!, '/_matrix/client/v3/sync', greedy.accessToken!)));
    // As long as nobody reads, nothing more than two of them is on its way; the others were told so.
    await alice.request('GET', '/v3/sync');
    const last = await eventually(async () => {
      const next = await SilentReader.ask(httpPort!, '/_matrix/client/v3/sync', greedy.accessToken!);
      const status = await next.read();
      return status === 429;
    }, 20_000);
    expect(last).toBe(true);
    const statuses = await Promise.all(readers.map((reader) => reader.read()));
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(4);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(36);
    expect((await greedy.raw('GET', '/v3/sync')).status).toBe(200);
  });
});

it('an answer that is not read is given up, and its bytes with it', async () => {
  const delivery = new AnswerDelivery(10_000_000, 200);
  const text = 'x'.repeat(9_000_000);
  let isTaken = true;
  const server: Server = createServer((_request, response) => {
    isTaken = delivery.begin(response, 'somebody', text.length / 1_000_000);
    response.end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const silent = await SilentReader.ask(port, '/');
    const connections = () => new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
    await eventually(async () => (await connections()) === 0);
    silent.socket.destroy();
    const reading = await SilentReader.ask(port, '/');
    expect(await reading.read()).toBe(200);
    expect(isTaken).toBe(true);
  } finally {
    server.close();
  }
});
