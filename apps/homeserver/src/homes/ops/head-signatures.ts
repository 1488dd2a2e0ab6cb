import { Injectable } from '@nestjs/common';
import { readHead, signHead, type LogHead, type SigningKey } from '#federation';
import { boundedCache } from '../../storage/bounded-cache.js';

/** A head takes half a kilobyte. */
const MAX_CACHED = 20_000;

/** Signs and checks heads, each once: every message between homes holds all of them, and most are as they were. */
@Injectable()
export class HeadSignatures {
  readonly #signed = boundedCache<string, LogHead>(MAX_CACHED);
  /** By everything that is signed, the key and the signature. */
  readonly #proven = boundedCache<string, LogHead>(MAX_CACHED);

  sign(place: Pick<LogHead, 'user_id' | 'log' | 'n' | 'hash'>, key: SigningKey): LogHead {
    const name = `${place.log} ${place.n} ${place.hash}`;
    let head = this.#signed.get(name);
    if (head?.key !== key.publicKey || head.user_id !== place.user_id) {
      head = signHead(place, key);
      this.#signed.set(name, head);
      this.#proven.set(nameOf(place.user_id, head), head);
    }
    return head;
  }

  /** @returns undefined for what is no head, or does not prove itself */
  read(userId: string, value: unknown): LogHead | undefined {
    const name = nameOf(userId, (value ?? {}) as Partial<LogHead>);
    const known = this.#proven.get(name);
    if (known) return known;
    const head = readHead(userId, value);
    if (head) this.#proven.set(name, head);
    return head;
  }
}

function nameOf(userId: string, { log, n, hash, key, signature }: Partial<LogHead>): string {
  return JSON.stringify([userId, log, n, hash, key, signature]);
}
