import type { Readable } from 'node:stream';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Pool } from 'undici';
import type { FederationTarget } from '#federation';
import { JsonMeter } from '#json';
import { Config } from '../../config/config.js';
import { AddressGuard } from './address-guard.js';
import { LARGE_ANSWER } from './large-answers.js';
import { unlessAborted } from './unless-aborted.js';

export interface WireRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Path with query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Whole request, from the connection to the last byte. */
  readonly timeoutMs: number;
  /** Longest answer taken. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
  /** Called once when the answer turns out to be large; it is read on when this resolves. */
  readonly onLarge?: () => Promise<void>;
  /** Until the answer begins, where the whole may take longer. */
  readonly answerMs?: number;
  /** Takes a 200 answer as it comes, for what is too large to be held; `body` is empty then, and `maxBytes` is the receiver's to see to. */
  readonly receive?: (headers: WireResponse['headers'], body: Readable) => Promise<void>;
}

export interface WireResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export class ResponseTooLargeError extends Error {
  override readonly name = 'ResponseTooLargeError';
}

const MAX_POOLS = 1_000;
const MAX_CONNECTIONS = 6;

/**
 * HTTPS to hosts that others name: one pool of kept-alive connections per target, every address checked, every answer
 * bounded, redirects never followed by themselves.
 */
@Injectable()
export class HttpsTransport implements OnApplicationShutdown {
  readonly #pools: LRUCache<string, Pool>;
  readonly #secureContext: SecureContext | undefined;

  constructor(
    config: Config,
    private readonly guard: AddressGuard,
  ) {
    // A context per connection would parse the whole list of authorities each time.
    this.#secureContext = config.federationCa
      ? createSecureContext({ ca: [...getCACertificates('default'), config.federationCa] })
      : undefined;
    this.#pools = new LRUCache({ max: MAX_POOLS, dispose: (pool) => void pool.close().catch(() => {}) });
  }

  /**
   * @throws AddressRefusedError, ResponseTooLargeError, TimeoutError (DOMException) or the error of the socket
   */
  async request(target: FederationTarget, request: WireRequest): Promise<WireResponse> {
    const pool = this.#pool(target);
    let hasBegun = false;
    const { receive } = request;
    const watched: WireRequest = receive
      ? { ...request, receive: (headers, body) => ((hasBegun = true), receive(headers, body)) }
      : request;
    try {
      return await this.#attempt(pool, target, watched);
    } catch (error) {
      // The other side closed a kept-alive connection just as it was picked: nothing was read, so GET and PUT go again.
      if (request.method !== 'POST' && !hasBegun && isStaleSocket(error)) return this.#attempt(pool, target, watched);
      throw error;
    }
  }

  /** Ends all connections. */
  async onApplicationShutdown(): Promise<void> {
    const pools = [...this.#pools.values()];
    await Promise.all(pools.map((pool) => pool.destroy().catch(() => {})));
    this.#pools.clear();
  }

  #pool(target: FederationTarget): Pool {
    const name = target.certificateName;
    const url = new URL(`https://${name.includes(':') ? `[${name}]` : name}:${target.port}`);
    // The URL parser turns spellings such as 127.1 and 0x7f000001 into addresses, so check what it made of the host.
    this.guard.checkHost(url.hostname);
    this.guard.checkHost(target.host);
    const key = `${url.host} ${target.host}`;
    let pool = this.#pools.get(key);
    if (!pool) {
      pool = new Pool(url.origin, {
        connections: MAX_CONNECTIONS,
        keepAliveTimeout: 30_000,
        keepAliveMaxTimeout: 60_000,
        connect: {
          timeout: 10_000,
          lookup: this.guard.lookup(target.host),
          autoSelectFamily: true,
          ...(this.#secureContext ? { secureContext: this.#secureContext } : {}),
        },
      });
      this.#pools.set(key, pool);
    }
    return pool;
  }

  async #attempt(pool: Pool, target: FederationTarget, request: WireRequest): Promise<WireResponse> {
    const timeout = AbortSignal.timeout(request.timeoutMs);
    const signal = request.signal ? AbortSignal.any([timeout, request.signal]) : timeout;
    // Undici itself looks at the signal once there is a connection, so that one that never comes about would be waited for.
    const response = await unlessAborted(signal, pool.request({
      method: request.method,
      path: request.path,
      headers: { ...request.headers, host: target.hostHeader },
      body: request.body ?? null,
      signal,
      headersTimeout: request.answerMs ?? request.timeoutMs,
      bodyTimeout: request.timeoutMs,
    }));
    if (request.receive && response.statusCode === 200) {
      try {
        await request.receive(response.headers, response.body);
      } finally {
        // With the connection, where something is left of it; nobody listens any more to what becomes of it.
        response.body.on('error', () => undefined).destroy();
      }
      return { status: response.statusCode, headers: response.headers, body: Buffer.alloc(0) };
    }
    const chunks: Buffer[] = [];
    const meter = new JsonMeter();
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      // Leaving the loop destroys the body and with it the connection.
      if (size > request.maxBytes) throw new ResponseTooLargeError(`answer of ${target.hostHeader} is over ${request.maxBytes} bytes`);
      if (!meter.add(chunk)) throw new ResponseTooLargeError(`answer of ${target.hostHeader} holds too many values`);
      if (size > LARGE_ANSWER && size - chunk.length <= LARGE_ANSWER && request.onLarge) await unlessAborted(signal, request.onLarge());
      chunks.push(chunk);
    }
    return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks, size) };
  }
}

function isStaleSocket(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
}
