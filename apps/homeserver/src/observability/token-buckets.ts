import { boundedCache } from '../storage/bounded-cache.js';
import type { Clock } from './clock.js';

/** What refills a bucket in a second, and how much may be taken at once. */
export interface Refill {
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets by name. The least recently used is forgotten, which at worst gives somebody a full bucket again. */
export class TokenBuckets {
  readonly #buckets;

  constructor(
    private readonly clock: Clock,
    maxBuckets: number,
  ) {
    this.#buckets = boundedCache<string, Bucket>(maxBuckets);
  }

  /**
   * Takes tokens, if there are enough. What costs more than a whole bucket needs a full one.
   *
   * @returns milliseconds until there are enough; 0 when they were taken
   */
  take(name: string, { perSecond, burst }: Refill, tokens = 1): number {
    const bucket = this.#refilled(name, { perSecond, burst });
    const needed = Math.min(tokens, burst);
    if (bucket.tokens < needed) return Math.ceil(((needed - bucket.tokens) / perSecond) * 1000);
    bucket.tokens -= needed;
    return 0;
  }

  /** Milliseconds until there is a token; 0 when there is one. */
  wait(name: string, refill: Refill): number {
    const { tokens } = this.#refilled(name, refill);
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / refill.perSecond) * 1000);
  }

  /** Takes tokens for what is done already, whether there are enough or not: what is lacking is refilled first. */
  charge(name: string, refill: Refill, tokens: number): void {
    this.#refilled(name, refill).tokens -= tokens;
  }

  /** Puts tokens back that were taken for something that turned out not to count. */
  giveBack(name: string, { burst }: Refill, tokens = 1): void {
    const bucket = this.#buckets.peek(name);
    if (bucket) bucket.tokens = Math.min(burst, bucket.tokens + tokens);
  }

  #refilled(name: string, { perSecond, burst }: Refill): Bucket {
    const now = this.clock.steady();
    const bucket = this.#buckets.get(name) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    this.#buckets.set(name, bucket);
    return bucket;
  }
}
