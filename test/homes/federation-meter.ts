import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TestServer } from '../network/test-server.js';

const CHANNEL = 'http.server.response.finish';
const ORIGIN = /origin="?([^",]+)/;

/** A request of one server to another, in bytes of the bodies. */
export interface Measured {
  readonly what: string;
  readonly from: string;
  readonly sent: number;
  readonly received: number;
}

/** Measures what the servers of a test ask each other, as their listeners see it. */
export class FederationMeter {
  readonly requests: Measured[] = [];
  readonly #names: ReadonlyMap<string, string>;
  readonly #listener = (message: unknown): void => this.#note(message as { request: IncomingMessage; response: ServerResponse });

  constructor(servers: readonly TestServer[]) {
    this.#names = new Map(servers.map(({ name, label }) => [name, label]));
    subscribe(CHANNEL, this.#listener);
  }

  stop(): void {
    unsubscribe(CHANNEL, this.#listener);
  }

  /** Forgets what was measured. */
  reset(): void {
    this.requests.length = 0;
  }

  /** Requests and bytes, by what was asked. */
  totals(from: TestServer): Record<string, { requests: number; sent: number; received: number }> {
    const totals: Record<string, { requests: number; sent: number; received: number }> = {};
    for (const request of this.requests.filter((one) => one.from === from.label)) {
      const total = (totals[request.what] ??= { requests: 0, sent: 0, received: 0 });
      total.requests++;
      total.sent += request.sent;
      total.received += request.received;
    }
    return totals;
  }

  #note({ request, response }: { request: IncomingMessage; response: ServerResponse }): void {
    const origin = ORIGIN.exec(request.headers.authorization ?? '')?.[1];
    const from = origin === undefined ? undefined : this.#names.get(origin);
    if (from === undefined) return;
    const what = whatOf(request.method!, request.url!.split('?')[0]!);
    this.requests.push({ what, from, sent: Number(request.headers['content-length'] ?? 0), received: lengthOf(response) });
  }
}

/** `POST attach`, `PUT send`… */
function whatOf(method: string, path: string): string {
  const parts = path.split('/').map(decodeURIComponent).filter((part) => part !== '' && !/^[!@$#]|^_matrix$|^federation$|^v\d$|^unstable$|^io\.partyline$|^\d/.test(part));
  return `${method} ${parts.join('/')}`;
}

/** Fastify writes its headers past those that can be asked for. */
function lengthOf(response: ServerResponse): number {
  const { _header: header } = response as ServerResponse & { readonly _header?: string };
  return Number(/content-length: (\d+)/i.exec(header ?? '')?.[1] ?? 0);
}
