import { Injectable } from '@nestjs/common';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { type VapidKey, vapidKeyOf } from './vapid.js';

const MAX_KEYS = 10_000;

/**
 * The keys of Web Push: each account has its own, since its other homes get it with its pushers, and what they have is good for this account
 * alone. They follow from the server's signing key, so that they outlive the database.
 */
@Injectable()
export class VapidKeys {
  readonly #keys = boundedCache<string, VapidKey>(MAX_KEYS);
  readonly #secret: string;

  constructor(keys: ServerKeys) {
    this.#secret = keys.signing.sign('io.partyline web push');
  }

  of(userId: string): VapidKey {
    let key = this.#keys.get(userId);
    if (!key) this.#keys.set(userId, (key = vapidKeyOf(this.#secret, userId)));
    return key;
  }
}
