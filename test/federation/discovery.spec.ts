import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Config } from '../../apps/homeserver/src/config/config.js';
import { AddressGuard, AddressRefusedError } from '../../apps/homeserver/src/federation/outgoing/address-guard.js';
import {
  HttpsTransport, ResponseTooLargeError, type WireRequest, type WireResponse,
} from '../../apps/homeserver/src/federation/outgoing/https-transport.js';
import { NameResolver, type ResolvedAddress } from '../../apps/homeserver/src/federation/outgoing/name-resolver.js';
import { ServerDiscovery } from '../../apps/homeserver/src/federation/outgoing/server-discovery.js';
import { ServerRequests } from '../../apps/homeserver/src/federation/outgoing/server-requests.js';
import { Random } from '../../apps/homeserver/src/observability/random.js';
import type { FederationTarget, SrvRecord } from '../../libs/federation/src/index.js';
import { createCertificateAuthority } from '../../apps/homeserver/src/tls/certificate-authority.js';
import { HeldClock } from '../network/travelling-clock.js';

const authority = createCertificateAuthority(Date.now(), randomBytes);

/** A zone: names to addresses, SRV names to records. Remembers what it was asked. */
class Zone extends NameResolver {
  readonly asked: string[] = [];
  constructor(
    readonly hosts: Record<string, string[]>,
    readonly services: Record<string, SrvRecord[]> = {},
  ) {
    super();
  }

  override async addresses(host: string): Promise<readonly ResolvedAddress[]> {
    this.asked.push(host);
    const found = this.hosts[host];
    if (!found) throw Object.assign(new Error(`no such host: ${host}`), { code: 'ENOTFOUND' });
    return found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  }

  override async srv(name: string): Promise<readonly SrvRecord[]> {
    this.asked.push(name);
    return this.services[name] ?? [];
  }
}

/** Finds port 443 elsewhere, because a test cannot listen there. */
class MappedTransport extends HttpsTransport {
  webPort = 443;
  override request(target: FederationTarget, request: WireRequest): Promise<WireResponse> {
    return super.request(target.port === 443 ? { ...target, port: this.webPort } : target, request);
  }
}

interface Seen {
  host: string | undefined;
  servername: string | false;
  url: string | undefined;
}

describe('finding and calling other servers', () => {
  const servers: Server[] = [];
  const transports: HttpsTransport[] = [];
  let webPort = 443;
  beforeEach(() => {
    webPort = 443;
  });
  afterEach(async () => {
    await Promise.all(transports.splice(0).map((transport) => transport.onApplicationShutdown()));
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function listen(certificateFor: string[], handler?: RequestListener): Promise<{ port: number; seen: Seen[] }> {
    const seen: Seen[] = [];
    const server = createServer(authority.issue(certificateFor), (request: IncomingMessage, response) => {
      seen.push({ host: request.headers.host, servername: (request.socket as TLSSocket).servername ?? false, url: request.url });
      if (handler) handler(request, response);
      else response.end('{}');
    });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    servers.push(server);
    return { port: (server.address() as AddressInfo).port, seen };
  }

  function world(zone: Zone, allowPrivateAddresses = true) {
    const config = Object.assign(new Config(), { federationCa: authority.cert, allowPrivateAddresses });
    const transport = new MappedTransport(config, new AddressGuard(config, zone));
    transport.webPort = webPort;
    transports.push(transport);
    const clock = new HeldClock();
    const discovery = new ServerDiscovery(transport, zone, clock, new Random());
    const requests = new ServerRequests(discovery, transport);
    const get = (name: string, maxBytes = 1_000) =>
      requests.send(name, { method: 'GET', path: '/_matrix/federation/v1/version', timeoutMs: 5_000, maxBytes });
    return { transport, discovery, clock, get };
  }

  it('connects to an explicit port, with Host and certificate of the name', async () => {
    const { port, seen } = await listen(['matrix.test']);
    const zone = new Zone({ 'matrix.test': ['127.0.0.1'] });
    expect((await world(zone).get(`matrix.test:${port}`)).status).toBe(200);
    expect(seen[0]).toMatchObject({ host: `matrix.test:${port}`, servername: 'matrix.test' });
    expect(zone.asked).toEqual(['matrix.test']);
  });

  it('connects to a literal address without SNI and asks for a certificate of the address', async () => {
    const { port, seen } = await listen(['127.0.0.1']);
    expect((await world(new Zone({})).get(`127.0.0.1:${port}`)).status).toBe(200);
    expect(seen[0]).toMatchObject({ host: `127.0.0.1:${port}`, servername: false });
    const other = await listen(['matrix.test']);
    await expect(world(new Zone({})).get(`127.0.0.1:${other.port}`)).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });

  it('follows SRV records and still asks for the certificate of the server name', async () => {
    const { port, seen } = await listen(['matrix.test']);
    const impostor = await listen(['target.test']);
    const hosts = { 'target.test': ['127.0.0.1'] };
    const record = (to: number): SrvRecord[] => [{ name: 'target.test', port: to, priority: 1, weight: 1 }];
    const zone = new Zone(hosts, { '_matrix-fed._tcp.matrix.test': record(port) });
    expect((await world(zone).get('matrix.test')).status).toBe(200);
    expect(seen[0]).toMatchObject({ host: 'matrix.test', servername: 'matrix.test' });

    const hijacked = new Zone(hosts, { '_matrix-fed._tcp.matrix.test': record(impostor.port) });
    await expect(world(hijacked).get('matrix.test')).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(impostor.seen).toEqual([]);
  });

  it('falls back to the deprecated SRV name, and to the next record when one does not answer', async () => {
    const { port, seen } = await listen(['matrix.test']);
    const closed = await listen(['matrix.test']);
    await new Promise((resolve) => servers.pop()!.close(resolve));
    const zone = new Zone(
      { 'one.test': ['127.0.0.1'], 'two.test': ['127.0.0.1'] },
      {
        '_matrix._tcp.matrix.test': [
          { name: 'two.test', port, priority: 20, weight: 0 },
          { name: 'one.test', port: closed.port, priority: 10, weight: 0 },
        ],
      },
    );
    expect((await world(zone).get('matrix.test')).status).toBe(200);
    expect(seen.length).toBe(1);
    expect(zone.asked.filter((name) => name.startsWith('_'))).toEqual(['_matrix-fed._tcp.matrix.test', '_matrix._tcp.matrix.test']);
  });

  it('remembers a well-known file that cannot be had for a minute, and SRV records for five', async () => {
    const { port } = await listen(['matrix.test']);
    const zone = new Zone({ 'matrix.test': ['127.0.0.2'] }, { '_matrix-fed._tcp.matrix.test': [{ name: 'matrix.test', port, priority: 1, weight: 1 }] });
    const { discovery, clock } = world(zone);
    const asked = async () => {
      zone.asked.length = 0;
      await discovery.targets('matrix.test');
      return zone.asked.length;
    };
    expect(await asked()).toBe(2);
    expect(await asked()).toBe(0);
    clock.pass(61_000);
    expect(await asked()).toBe(1);
    clock.pass(5 * 60_000);
    expect(await asked()).toBe(2);
  });

  describe('the well-known file', () => {
    async function wellKnown(handler: RequestListener): Promise<Seen[]> {
      const { port, seen } = await listen(['matrix.test', 'www.matrix.test'], handler);
      webPort = port;
      return seen;
    }
    const json = (body: unknown): RequestListener => (_request, response) => void response.end(JSON.stringify(body));
    const hosts = { 'matrix.test': ['127.0.0.1'], 'www.matrix.test': ['127.0.0.1'], 'delegated.test': ['127.0.0.1'] };

    it('delegates to a name with a port', async () => {
      const { port, seen } = await listen(['delegated.test']);
      await wellKnown(json({ 'm.server': `delegated.test:${port}` }));
      expect((await world(new Zone(hosts)).get('matrix.test')).status).toBe(200);
      expect(seen[0]).toMatchObject({ host: `delegated.test:${port}`, servername: 'delegated.test' });
    });

    it('delegates to a name whose SRV record is followed', async () => {
      const { port, seen } = await listen(['delegated.test']);
      await wellKnown(json({ 'm.server': 'delegated.test' }));
      const zone = new Zone(hosts, { '_matrix-fed._tcp.delegated.test': [{ name: 'matrix.test', port, priority: 1, weight: 1 }] });
      expect((await world(zone).get('matrix.test')).status).toBe(200);
      expect(seen[0]).toMatchObject({ host: 'delegated.test', servername: 'delegated.test' });
    });

    it('is found behind redirects, but not behind more than five', async () => {
      let left = 5;
      const seen = await wellKnown((request, response) => {
        if (left-- > 0) response.writeHead(302, { location: `https://www.matrix.test/${left}` }).end();
        else response.end(JSON.stringify({ 'm.server': 'delegated.test:1234' }));
      });
      expect(await world(new Zone(hosts)).discovery.targets('matrix.test')).toMatchObject([{ host: 'delegated.test', port: 1234 }]);
      expect(seen.length).toBe(6);
      left = 6;
      expect(await world(new Zone(hosts)).discovery.targets('matrix.test')).toMatchObject([{ host: 'matrix.test', port: 8448 }]);
    });

    it.each([
      ['redirects to plain HTTP', (_request: IncomingMessage, response: Parameters<RequestListener>[1]) => void response.writeHead(302, { location: 'http://www.matrix.test/' }).end()],
      ['is no JSON', (_request: IncomingMessage, response: Parameters<RequestListener>[1]) => void response.end('<html>')],
      ['is endless', (_request: IncomingMessage, response: Parameters<RequestListener>[1]) => void response.end(`{"m.server":"delegated.test:1"${' '.repeat(200_000)}}`)],
      ['names no server', json({ 'm.server': 'https://delegated.test/' })],
      ['is not there', (_request: IncomingMessage, response: Parameters<RequestListener>[1]) => void response.writeHead(404).end(JSON.stringify({ 'm.server': 'delegated.test:1' }))],
    ])('counts for nothing when it %s', async (_name, handler) => {
      await wellKnown(handler);
      expect(await world(new Zone(hosts)).discovery.targets('matrix.test')).toMatchObject([{ host: 'matrix.test', port: 8448, hostHeader: 'matrix.test' }]);
    });
  });

  describe('addresses that are not public', () => {
    it.each([
      ['a literal address', (port: number) => `127.0.0.1:${port}`],
      ['a literal IPv6 address', (port: number) => `[::1]:${port}`],
      ['an IPv4 address inside an IPv6 one', (port: number) => `[::ffff:127.0.0.1]:${port}`],
      ['another spelling of an address', (port: number) => `127.1:${port}`],
      ['a name that resolves to one', (port: number) => `matrix.test:${port}`],
      ['a name that resolves to the metadata service', (port: number) => `metadata.test:${port}`],
    ])('are refused: %s', async (_name, serverName) => {
      const { port, seen } = await listen(['matrix.test', '127.0.0.1']);
      const zone = new Zone({ 'matrix.test': ['127.0.0.1'], 'metadata.test': ['169.254.169.254'] });
      await expect(world(zone, false).get(serverName(port))).rejects.toThrow(AddressRefusedError);
      expect(seen).toEqual([]);
    });

    it('are refused behind SRV records and redirects', async () => {
      const { port, seen } = await listen(['matrix.test']);
      const zone = new Zone({ 'inside.test': ['10.0.0.1', '127.0.0.1'] }, { '_matrix-fed._tcp.matrix.test': [{ name: 'inside.test', port, priority: 1, weight: 1 }] });
      await expect(world(zone, false).get('matrix.test')).rejects.toThrow(AddressRefusedError);
      const literal = new Zone({}, { '_matrix-fed._tcp.matrix.test': [{ name: '127.0.0.1', port, priority: 1, weight: 1 }] });
      await expect(world(literal, false).get('matrix.test')).rejects.toThrow(AddressRefusedError);
      expect(seen).toEqual([]);
    });
  });

  it('stops reading an answer that is too long', async () => {
    const { port } = await listen(['matrix.test'], (_request, response) => void response.end('x'.repeat(5_000)));
    const { get } = world(new Zone({ 'matrix.test': ['127.0.0.1'] }));
    await expect(get(`matrix.test:${port}`)).rejects.toThrow(ResponseTooLargeError);
    expect((await get(`matrix.test:${port}`, 5_000)).body.length).toBe(5_000);
  });

  it('gives up on a server that does not answer in time', async () => {
    const { port } = await listen(['matrix.test'], () => undefined);
    const { transport } = world(new Zone({ 'matrix.test': ['127.0.0.1'] }));
    const target = { host: 'matrix.test', port, hostHeader: `matrix.test:${port}`, certificateName: 'matrix.test', isIpLiteral: false };
    await expect(transport.request(target, { method: 'GET', path: '/', timeoutMs: 100, maxBytes: 10 })).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('refuses a certificate of an authority that it does not know', async () => {
    const stranger = createCertificateAuthority(Date.now(), randomBytes);
    const server = createServer(stranger.issue(['matrix.test']), (_request, response) => void response.end('{}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
    const { get } = world(new Zone({ 'matrix.test': ['127.0.0.1'] }));
    await expect(get(`matrix.test:${(server.address() as AddressInfo).port}`)).rejects.toThrow(/certificate/);
  });
});
