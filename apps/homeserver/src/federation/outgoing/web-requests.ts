import type { LookupFunction } from 'node:net';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, request } from 'undici';
import { AddressGuard } from './address-guard.js';
import { unlessAborted } from './unless-aborted.js';

const MAX_REDIRECTS = 5;
const MAX_ADDRESS = 2_048;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export interface WebRequest {
  /** Value of the header Accept. */
  readonly accept: string;
  /** All of it, redirects and body. */
  readonly timeoutMs: number;
}

export interface WebAnswer {
  /** The last address of the redirects. */
  readonly url: URL;
  readonly status: number;
  readonly contentType: string;
  /** To be read or left, within the time of the request; it breaks off when that is over. */
  readonly body: AsyncIterable<Buffer>;
}

/** GET of addresses that people name, anywhere in the web: each address and each redirect is checked when it is called. Nothing is kept. */
@Injectable()
export class WebRequests implements OnApplicationShutdown {
  readonly #agent: Agent;

  constructor(private readonly guard: AddressGuard) {
    const lookup: LookupFunction = (hostname, options, callback) => guard.lookup(hostname)(hostname, options, callback);
    this.#agent = new Agent({ connections: 2, pipelining: 1, keepAliveTimeout: 1_000, connect: { timeout: 10_000, lookup, autoSelectFamily: true } });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#agent.destroy();
  }

  /**
   * @param read takes the answer; the connection ends with it
   * @throws AddressRefusedError, TimeoutError (DOMException), the error of the socket, or what `read` throws
   */
  async get<T>(address: URL, { accept, timeoutMs }: WebRequest, read: (answer: WebAnswer) => Promise<T>): Promise<T> {
    const signal = AbortSignal.timeout(timeoutMs);
    let url = address;
    for (let redirects = 0; ; redirects++) {
      if (!/^https?:$/.test(url.protocol) || url.href.length > MAX_ADDRESS) throw new Error('that is no web address');
      // Sockets do not look up literal addresses.
      this.guard.checkHost(url.hostname);
      const response = await unlessAborted(signal, request(url, {
        dispatcher: this.#agent, signal, headersTimeout: timeoutMs, bodyTimeout: timeoutMs,
        headers: { accept, 'accept-encoding': 'identity', 'accept-language': 'en', 'user-agent': 'Partyline (bot; previews of addresses)' },
      }));
      try {
        const location = response.headers['location'];
        if (!REDIRECTS.has(response.statusCode) || typeof location !== 'string') {
          const contentType = String(response.headers['content-type'] ?? '');
          return await read({ url, status: response.statusCode, contentType, body: response.body });
        }
        if (redirects === MAX_REDIRECTS) throw new Error('it redirects too often');
        url = new URL(location, url);
      } finally {
        response.body.on('error', () => undefined).destroy();
      }
    }
  }
}
