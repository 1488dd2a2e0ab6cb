import { createECDH, createPrivateKey, hkdfSync, sign } from 'node:crypto';

/** The order of P-256. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const LIFETIME_S = 12 * 3_600;

/** With what a server proves to push services that it is the one that a browser has subscribed to (RFC 8292); URL-safe Base64. */
export interface VapidKey {
  /** 32 bytes. */
  readonly privateKey: string;
  /** Uncompressed point of P-256, 65 bytes. */
  readonly publicKey: string;
}

/** The key that follows from a secret and a name: the same each time, and nothing is kept. */
export function vapidKeyOf(secret: string, name: string): VapidKey {
  // 128 bits more than the order, so that none of its multiples is seen.
  const bytes = Buffer.from(hkdfSync('sha256', secret, '', `io.partyline web push ${name}`, 48));
  const number = (BigInt(`0x${bytes.toString('hex')}`) % (ORDER - 1n)) + 1n;
  return vapidKeyFrom(Buffer.from(number.toString(16).padStart(64, '0'), 'hex').toString('base64url'));
}

/** @throws Error for what is no private key */
export function vapidKeyFrom(privateKey: string): VapidKey {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(Buffer.from(privateKey, 'base64url'));
  return { privateKey, publicKey: ecdh.getPublicKey('base64url') };
}

/**
 * The header Authorization of a request to a push service.
 *
 * @param about the address that is called, whom its operator turns to, and the time in milliseconds
 */
export function vapidAuthorization({ privateKey, publicKey }: VapidKey, about: { url: URL; contact: string; now: number }): string {
  const point = Buffer.from(publicKey, 'base64url');
  const key = createPrivateKey({
    format: 'jwk',
    key: { kty: 'EC', crv: 'P-256', d: privateKey, x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') },
  });
  const claims = { aud: about.url.origin, exp: Math.floor(about.now / 1_000) + LIFETIME_S, sub: about.contact };
  const text = `${coded({ typ: 'JWT', alg: 'ES256' })}.${coded(claims)}`;
  return `vapid t=${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}, k=${publicKey}`;
}

function coded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
