import { hash, timingSafeEqual } from 'node:crypto';
import { KeyedHash } from '../observability/keyed-hash.js';

/** 128 bits, unpadded Base64. */
const MAC_LENGTH = 22;
const SEALED = new RegExp(`^(.+)~([A-Za-z0-9_-]{${MAC_LENGTH}})$`);

/**
 * Marks tokens as made by this server, so that one that names what the database lacks proves that the database is an older copy
 * (docs/protocol.md, "Restored from a backup").
 */
export class TokenSeal {
  readonly #hash: KeyedHash;

  /** @param secret any secret that outlives the database, e.g. of the server's signing key */
  constructor(secret: string) {
    this.#hash = new KeyedHash(hash('sha256', secret, 'buffer'));
  }

  seal(text: string): string {
    return `${text}~${this.#mac(text)}`;
  }

  /** The text, and whether this server has sealed it; undefined where there is no seal. */
  open(token: string): { readonly text: string; readonly isOwn: boolean } | undefined {
    const found = SEALED.exec(token);
    if (!found) return undefined;
    const text = found[1]!;
    return { text, isOwn: timingSafeEqual(Buffer.from(found[2]!), Buffer.from(this.#mac(text))) };
  }

  #mac(text: string): string {
    return this.#hash.of(text).toString('base64url').slice(0, MAC_LENGTH);
  }
}
