import { createCipheriv, createECDH, hkdfSync } from 'node:crypto';

/** Bytes of a text that find place in the one record that push services take. */
export const MAX_PUSH_TEXT = 3_993;
const RECORD_BYTES = 4_096;
const CURVE = 'prime256v1';

/** What a browser gives of its subscription. */
export interface PushSubscriptionKeys {
  /** Uncompressed point of P-256, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** 16 bytes. */
  readonly auth: Uint8Array;
}

/**
 * A message that only the browser reads (RFC 8291, in the coding `aes128gcm` of RFC 8188): what a push service is handed.
 *
 * @param once a private key of P-256 (32 bytes) and a salt (16 bytes) that are used for this message alone
 * @throws RangeError for a text that is too long; Error for a public key that is none
 */
export function encryptedPush(text: string, { publicKey, auth }: PushSubscriptionKeys, once: { privateKey: Uint8Array; salt: Uint8Array }): Buffer {
  const plain = Buffer.from(text);
  if (plain.length > MAX_PUSH_TEXT) throw new RangeError(`a push has ${MAX_PUSH_TEXT} bytes at most`);
  const ecdh = createECDH(CURVE);
  ecdh.setPrivateKey(once.privateKey);
  const ownKey = ecdh.getPublicKey();
  const secret = ecdh.computeSecret(publicKey);
  const ikm = derived(secret, auth, Buffer.concat([Buffer.from('WebPush: info\0'), publicKey, ownKey]), 32);
  const key = derived(ikm, once.salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16);
  const nonce = derived(ikm, once.salt, Buffer.from('Content-Encoding: nonce\0'), 12);
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(RECORD_BYTES);
  // The last record ends with 2 in the place of padding.
  const coded = Buffer.concat([cipher.update(plain), cipher.update(Buffer.of(2)), cipher.final(), cipher.getAuthTag()]);
  return Buffer.concat([once.salt, size, Buffer.of(ownKey.length), ownKey, coded]);
}

/** Whether these bytes are a public key that can be encrypted for. */
export function isPushKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 65 || publicKey[0] !== 4) return false;
  const ecdh = createECDH(CURVE);
  ecdh.setPrivateKey(Buffer.alloc(32, 1));
  try {
    ecdh.computeSecret(publicKey);
    return true;
  } catch {
    return false;
  }
}

function derived(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', ikm, salt, info, length));
}
