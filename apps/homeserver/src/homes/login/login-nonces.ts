import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { boundedCache } from '../../storage/bounded-cache.js';

const LIFETIME_MS = 5 * 60_000;
const MAX_USED = 50_000;
const NONCE = /^(\d{1,16})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;

/**
 * Numbers that are signed once to prove an account key. They carry their own proof of origin, so that asking for one costs no
 * memory; only used ones, for which somebody had to sign, are remembered until they expire. A restart voids all.
 */
@Injectable()
export class LoginNonces {
  readonly #secret: Buffer;
  readonly #used = boundedCache<string, true>(MAX_USED);

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {
    this.#secret = random.bytes(32);
  }

  /** A fresh nonce, good for one use within five minutes. */
  issue(): { nonce: string; expiresInMs: number } {
    const body = `${this.clock.steady() + LIFETIME_MS}.${this.random.token(16)}`;
    return { nonce: `${body}.${this.#mac(body)}`, expiresInMs: LIFETIME_MS };
  }

  /** Whether the nonce is one of this server's, has not expired and was not used. */
  isGood(nonce: string): boolean {
    const parts = NONCE.exec(nonce);
    if (!parts || Number(parts[1]) < this.clock.steady() || this.#used.has(nonce)) return false;
    return timingSafeEqual(Buffer.from(this.#mac(`${parts[1]}.${parts[2]}`)), Buffer.from(parts[3]!));
  }

  /** Marks a nonce as used; call it when the signature over it was good. */
  use(nonce: string): void {
    this.#used.set(nonce, true);
  }

  #mac(body: string): string {
    return createHmac('sha256', this.#secret).update(body).digest('base64url');
  }
}
