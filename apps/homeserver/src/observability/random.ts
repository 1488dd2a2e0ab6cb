import { randomBytes } from 'node:crypto';

/** The source of randomness, handed in like the clock. */
export class Random {
  bytes(length: number): Buffer {
    return randomBytes(length);
  }

  /** URL-safe text with `length` bytes of entropy: tokens, ids, nonces. */
  token(length = 24): string {
    return this.bytes(length).toString('base64url');
  }
}
