import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Config } from './config/config.js';
import { listenError } from './listen-error.js';

/** Longer than the idle time of usual reverse proxies (60 s), so that it is they who close. */
const KEEP_ALIVE_MS = 72_000;
const HEADERS_TIMEOUT_MS = 20_000;
/** Time for the whole body of a request; an upload of 100 MB over a slow line fits. */
const REQUEST_TIMEOUT_MS = 600_000;

/**
 * The sockets of one server: plain HTTP and TLS, on each bind address, all in front of one request handler. Fastify and
 * the WebSocket gateway see a single server (`hub`) that itself never listens.
 */
export class Listeners {
  /** Receives `upgrade` events of all sockets. */
  readonly hub: Server;
  readonly #servers: { server: Server; address: string; port: number; kind: 'http' | 'https' }[] = [];
  readonly #operator: Server | null;

  /** @param operatorSocket path of a Unix socket that is open as well, to this user alone */
  constructor(config: Config, handler: RequestListener, private readonly operatorSocket: string | null = null) {
    this.hub = createServer(handler);
    const options = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    };
    for (const address of config.bind) {
      if (config.httpPort !== null) {
        this.#servers.push({ server: createServer(options, handler), address, port: config.httpPort, kind: 'http' });
      }
      if (config.httpsPort !== null && config.tls !== null) {
        const server = createTlsServer({ ...options, ...config.tls, minVersion: 'TLSv1.2' }, handler);
        this.#servers.push({ server, address, port: config.httpsPort, kind: 'https' });
      }
    }
    this.#operator = operatorSocket === null ? null : createServer(options, handler);
    // Such a socket has no addresses; whoever connects is on this machine.
    this.#operator?.on('connection', (socket) => Object.defineProperty(socket, 'remoteAddress', { value: '127.0.0.1' }));
    for (const { server } of this.#servers) {
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (!this.hub.emit('upgrade', request, socket, head)) socket.destroy();
      });
    }
  }

  /**
   * Opens all sockets. An IPv6 address on a machine without IPv6 is left out where another address serves.
   *
   * @throws Error with a sentence that names the setting, with no socket left open
   */
  async open(): Promise<void> {
    try {
      for (const entry of [...this.#servers]) {
        // Port 0: the first address decides for the others of its kind.
        const port = entry.port === 0 ? (this.port(entry.kind) ?? 0) : entry.port;
        try {
          // Linux's `::` would take IPv4 too, and so collide with `0.0.0.0`.
          await listen(entry.server, entry.address, port, this.#servers.some(({ address }) => !address.includes(':')));
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          const isMissing = (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') && entry.address.includes(':');
          if (!isMissing || !this.#servers.some((other) => other !== entry && other.kind === entry.kind)) throw listenError(error, entry.kind);
          this.#servers.splice(this.#servers.indexOf(entry), 1);
        }
      }
      if (this.#operator && this.operatorSocket !== null) await listenOnPath(this.#operator, this.operatorSocket);
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  /** The port of the open sockets of a kind; null when there are none. */
  port(kind: 'http' | 'https'): number | null {
    for (const entry of this.#servers) {
      const address = entry.server.address() as AddressInfo | null;
      if (entry.kind === kind && address) return address.port;
    }
    return null;
  }

  /** Takes no new requests, lets those under way finish for at most `graceMs`, then drops all connections. */
  async close(graceMs: number): Promise<void> {
    const servers = [...this.#servers.map(({ server }) => server), ...(this.#operator ? [this.#operator] : [])];
    const closed = Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
    for (const server of servers) server.closeIdleConnections();
    const drop = setTimeout(() => {
      for (const server of servers) server.closeAllConnections();
    }, graceMs);
    await closed;
    clearTimeout(drop);
  }
}

function listen(server: Server, host: string, port: number, ipv6Only: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function listenOnPath(server: Server, path: string): Promise<void> {
  // Left by a server that was killed: nobody else can be there, as the database serves one at a time.
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, () => {
      server.off('error', reject);
      chmodSync(path, 0o600);
      resolve();
    });
  });
}
