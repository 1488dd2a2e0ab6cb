import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { unpaddedBase64 } from './base64.js';

/** An Ed25519 key pair under the identifier that signatures name, for example `ed25519:a1`. */
export interface SigningKey {
  readonly keyId: string;
  /** Unpadded Base64 of the 32 bytes. */
  readonly publicKey: string;
  /** Signs the UTF-8 of a text; unpadded Base64 of 64 bytes. About 50 µs. */
  sign(message: string): string;
}

// PKCS#8 of an Ed25519 private key is this prefix and the seed (RFC 8410).
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * The key pair of a 32-byte seed.
 *
 * @throws RangeError on another length.
 */
export function signingKeyFromSeed(keyId: string, seed: Uint8Array): SigningKey {
  if (seed.length !== 32) throw new RangeError('an Ed25519 seed has 32 bytes');
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    keyId,
    publicKey: unpaddedBase64(spki.subarray(spki.length - 32)),
    sign: (message) => unpaddedBase64(sign(null, Buffer.from(message, 'utf8'), privateKey)),
  };
}
