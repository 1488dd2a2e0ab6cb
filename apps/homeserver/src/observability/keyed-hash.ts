import { hash } from 'node:crypto';

const BLOCK = 64;
/** Longer texts, which no token is, get room of their own. UTF-8 takes up to three bytes for each. */
const MAX_CHARACTERS = 320;

/** HMAC-SHA256 (RFC 2104) of two calls, which take a seventh of the time of an Hmac object: sends and syncs make many. */
export class KeyedHash {
  /** Each begins with its key, and has room for what is hashed behind it. */
  readonly #inner: Buffer;
  readonly #outer: Buffer;

  /** @param key at most 64 bytes */
  constructor(key: Buffer) {
    const padded = Buffer.concat([key, Buffer.alloc(BLOCK - key.length)]);
    this.#inner = Buffer.concat([padded.map((byte) => byte ^ 0x36), Buffer.alloc(3 * MAX_CHARACTERS)]);
    this.#outer = Buffer.concat([padded.map((byte) => byte ^ 0x5c), Buffer.alloc(32)]);
  }

  of(text: string): Buffer {
    hash('sha256', this.#message(text), 'buffer').copy(this.#outer, BLOCK);
    return hash('sha256', this.#outer, 'buffer');
  }

  #message(text: string): Buffer {
    if (text.length <= MAX_CHARACTERS) return this.#inner.subarray(0, BLOCK + this.#inner.write(text, BLOCK));
    return Buffer.concat([this.#inner.subarray(0, BLOCK), Buffer.from(text)]);
  }
}
