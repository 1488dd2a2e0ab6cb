import { Injectable } from '@nestjs/common';
import { signatureInput, verifySignature, verifySignatureAsync, type AuthContext, type RoomEvent, type RoomVersionRules } from '#federation';
import { boundedCache } from '../../storage/bounded-cache.js';

/**
 * Signatures of home keys on events of portable rooms (protocol §3 rule 1). The auth rules ask for them synchronously and
 * again for every state in which an event is judged, so answers are remembered; `warm` computes them on the thread pool
 * before.
 */
@Injectable()
export class HomeSignatures {
  readonly #known = boundedCache<string, boolean>(50_000);

  /** The context for `checkAuth` and `resolveState` in rooms of these rules. */
  context(rules: RoomVersionRules): AuthContext {
    return {
      verifyHomeSignature: (event, home, keyId, publicKey) => {
        const key = cacheKey(event, home, keyId, publicKey);
        let valid = this.#known.get(key);
        if (valid === undefined) {
          const signature = event.pdu.signatures[home]?.[keyId];
          valid = signature !== undefined && verifySignature(publicKey, signatureInput(event.pdu, rules), signature);
          this.#known.set(key, valid);
        }
        return valid;
      },
    };
  }

  /** Verifies ahead of time, off the main thread. */
  async warm(event: RoomEvent, rules: RoomVersionRules, home: string, keyId: string, publicKey: string): Promise<void> {
    const key = cacheKey(event, home, keyId, publicKey);
    const signature = event.pdu.signatures[home]?.[keyId];
    if (signature === undefined || this.#known.has(key)) return;
    this.#known.set(key, await verifySignatureAsync(publicKey, signatureInput(event.pdu, rules), signature));
  }

  /** An event that this server has just signed with the key. */
  trust(event: RoomEvent, home: string, keyId: string, publicKey: string): void {
    this.#known.set(cacheKey(event, home, keyId, publicKey), true);
  }
}

// The signature is part of the key: two copies of an event have one id and may carry different signatures.
function cacheKey(event: RoomEvent, home: string, keyId: string, publicKey: string): string {
  return `${event.eventId}|${home}|${keyId}|${publicKey}|${event.pdu.signatures[home]?.[keyId] ?? ''}`;
}
