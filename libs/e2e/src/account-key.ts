import { ed25519 } from '@noble/curves/ed25519.js';
import { fromBase64, toBase64 } from './base64.js';

/** The person's Ed25519 key pair: the account key K, or the recovery key R (protocol §2). */
export interface AccountKey {
  /** Unpadded base64. */
  readonly publicKey: string;
  /** The 32 secret bytes; keep them in secret storage only. */
  readonly seed: Uint8Array;
  /** Signs the UTF-8 bytes of a text. Unpadded base64, 64 bytes. */
  sign(text: string): string;
}

/**
 * Key pair of a seed.
 * @param seed 32 random bytes, or the recovery seed of a recovery code
 * @throws Error when the seed has another length
 */
export function accountKey(seed: Uint8Array): AccountKey {
  if (seed.length !== 32) throw new Error('an Ed25519 seed has 32 bytes');
  const secret = seed.slice();
  return {
    publicKey: toBase64(ed25519.getPublicKey(secret)),
    seed: secret,
    sign: (text) => toBase64(ed25519.sign(new TextEncoder().encode(text), secret)),
  };
}

/**
 * Whether `signature` is the signature of the text's UTF-8 bytes by `publicKey` (both base64). False, never an
 * exception, on malformed input. Strict RFC 8032, as OpenSSL does it: a lenient verifier here would accept records
 * that the servers refuse.
 */
export function verifyText(publicKey: string, text: string, signature: string): boolean {
  try {
    return ed25519.verify(fromBase64(signature), new TextEncoder().encode(text), fromBase64(publicKey), { zip215: false });
  } catch {
    return false;
  }
}
