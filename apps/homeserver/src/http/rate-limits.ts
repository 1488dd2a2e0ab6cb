import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { TokenBuckets } from '../observability/token-buckets.js';

/** Calls per second that refill a bucket, and how many may come at once. */
const limits = {
  login: { perSecond: 0.2, burst: 10 },
  registration: { perSecond: 0.1, burst: 5 },
  message: { perSecond: 10, burst: 50 },
  join: { perSecond: 1, burst: 20 },
  invite: { perSecond: 0.5, burst: 20 },
  lookup: { perSecond: 5, burst: 50 },
  // Each may have this server ask hundreds of others.
  keys: { perSecond: 5, burst: 100 },
  notary: { perSecond: 1, burst: 20 },
  // The account's record, its homes, the reach of its rooms.
  homes: { perSecond: 5, burst: 100 },
  // Whoever sees the calls of many decides about their events from one address.
  'delayed-event': { perSecond: 20, burst: 200 },
  report: { perSecond: 0.05, burst: 20 },
  resume: { perSecond: 0.5, burst: 20 },
  nonce: { perSecond: 1, burst: 30 },
  preview: { perSecond: 1, burst: 30 },
  upload: { perSecond: 1, burst: 50 },
  media: { perSecond: 50, burst: 500 },
  'whole-sync': { perSecond: 0.5, burst: 40 },
  socket: { perSecond: 0.5, burst: 40 },
  // What another home of an account brings and asks for: one for each operation, and for each 4 KiB.
  operations: { perSecond: 200, burst: 20_000 },
  'account-data': { perSecond: 10, burst: 200 },
  // In units of a message to a device and 4 KiB of it.
  'to-device': { perSecond: 200, burst: 2_000 },
  // Bytes of other servers' requests: who comes back after a day brings what he has of it.
  'server-bytes': { perSecond: 1024 * 1024, burst: 64 * 1024 * 1024 },
} as const;

export type RateLimitKind = keyof typeof limits;

/** Callers that are remembered. */
const MAX_BUCKETS = 50_000;

/** Token buckets per kind and caller. */
@Injectable()
export class RateLimits {
  readonly #buckets: TokenBuckets;

  constructor(
    private readonly config: Config,
    clock: Clock,
  ) {
    this.#buckets = new TokenBuckets(clock, MAX_BUCKETS);
  }

  /**
   * Takes a token, or as many as something costs, unless the operator switched limits off.
   *
   * @param caller user id or address; see `addressKey`
   * @throws MatrixError 429 M_LIMIT_EXCEEDED with `retry_after_ms`
   */
  take(kind: RateLimitKind, caller: string, tokens = 1): void {
    if (!this.config.rateLimits) return;
    refuse(this.#buckets.take(`${kind} ${caller}`, limits[kind], tokens));
  }

  /**
   * Whether a caller may go on whose calls are charged when their cost is known.
   *
   * @throws MatrixError 429 M_LIMIT_EXCEEDED with `retry_after_ms`
   */
  check(kind: RateLimitKind, caller: string): void {
    if (!this.config.rateLimits) return;
    refuse(this.#buckets.wait(`${kind} ${caller}`, limits[kind]));
  }

  /** Takes what a call has cost, which may be more than there is. */
  charge(kind: RateLimitKind, caller: string, tokens: number): void {
    if (this.config.rateLimits) this.#buckets.charge(`${kind} ${caller}`, limits[kind], tokens);
  }
}

function refuse(wait: number): void {
  if (wait > 0) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many requests', { retry_after_ms: wait });
}

/** The part of an address that one caller is unlikely to change at will: an IPv4 address, or an IPv6 network of 64 bits. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1]!;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':');
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return `${groups.slice(0, 4).join(':').toLowerCase()}::/64`;
}
