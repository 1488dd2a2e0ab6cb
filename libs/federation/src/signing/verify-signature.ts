import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { decodeBase64 } from './base64.js';

// SubjectPublicKeyInfo of an Ed25519 key is this prefix and the 32 bytes (RFC 8410).
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const MAX_CACHED_KEYS = 4_096;
/** Making a KeyObject costs as much as a third of a verification. The result depends on nothing but the key's text. */
const keyObjects = new Map<string, KeyObject>();

/**
 * Whether an Ed25519 signature over the UTF-8 of `message` is valid. Key and signature are Base64 in any form. False,
 * never an exception, when one of them is malformed.
 */
export function verifySignature(publicKey: string, message: string, signature: string): boolean {
  const key = keyObjectOf(publicKey);
  const bytes = signatureBytes(signature);
  return key !== undefined && bytes !== undefined && verify(null, Buffer.from(message, 'utf8'), key, bytes);
}

/** As `verifySignature`, on the thread pool; for many at once (about 130 µs each). */
export function verifySignatureAsync(publicKey: string, message: string, signature: string): Promise<boolean> {
  const key = keyObjectOf(publicKey);
  const bytes = signatureBytes(signature);
  if (!key || !bytes) return Promise.resolve(false);
  return new Promise((resolve) => {
    verify(null, Buffer.from(message, 'utf8'), key, bytes, (error, valid) => resolve(!error && valid));
  });
}

function signatureBytes(signature: unknown): Uint8Array | undefined {
  const bytes = decodeBase64(signature);
  return bytes?.length === 64 ? bytes : undefined;
}

function keyObjectOf(publicKey: unknown): KeyObject | undefined {
  if (typeof publicKey !== 'string') return undefined;
  let key = keyObjects.get(publicKey);
  if (key) {
    keyObjects.delete(publicKey); // moved to the end below: the Map's order is the order of last use
  } else {
    const bytes = decodeBase64(publicKey);
    if (bytes?.length !== 32) return undefined;
    key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' });
    if (keyObjects.size >= MAX_CACHED_KEYS) keyObjects.delete(keyObjects.keys().next().value!);
  }
  keyObjects.set(publicKey, key);
  return key;
}
