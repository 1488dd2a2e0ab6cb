import { createServer, type AddressInfo } from 'node:net';
import type { Settings } from '../config/load-config.js';
import { listenError } from '../listen-error.js';

/**
 * Sees that the addresses to listen on can be had, before a database is made, and replaces port 0 of the plain listener by a free one,
 * because the public address has to be known before the server listens.
 *
 * @throws as `Listeners.open`
 */
export async function withFreeAddresses(settings: Settings): Promise<Settings> {
  const httpPort = settings.httpPort === null ? null : await probe(settings, settings.httpPort, 'http');
  if (settings.httpsPort !== null) await probe(settings, settings.httpsPort, 'https');
  if (settings.httpPort !== 0) return settings;
  return { ...settings, httpPort, publicUrl: settings.publicUrl.replace(/:0$/, `:${httpPort}`) };
}

/** @returns the port, a free one for 0 */
async function probe({ bind }: Settings, wanted: number, kind: 'http' | 'https'): Promise<number> {
  let port = wanted;
  let problem: unknown;
  let opened = 0;
  for (const address of bind) {
    try {
      port = await listenOnce(address, port);
      opened++;
    } catch (error) {
      // A machine without IPv6 serves the other addresses.
      const isMissing = address.includes(':') && ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes((error as NodeJS.ErrnoException).code ?? '');
      if (!isMissing) throw listenError(error, kind);
      problem = error;
    }
  }
  if (opened === 0) throw listenError(problem, kind);
  return port;
}

function listenOnce(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    // As the listeners do it: Linux's `::` would take IPv4 too.
    server.listen({ host, port, ipv6Only: host.includes(':'), exclusive: true }, () => {
      const { port: taken } = server.address() as AddressInfo;
      server.close(() => resolve(taken));
    });
  });
}
