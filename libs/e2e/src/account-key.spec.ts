import { createPublicKey, verify } from 'node:crypto';
import { accountKey, verifyText } from './account-key.js';
import { fromBase64, toBase64, toBase64Url } from './base64.js';

const key = accountKey(fromBase64('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1'));

describe('account key', () => {
  it('signs the vector of the Matrix specification', () => {
    expect(key.sign('{}')).toBe('K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ');
  });

  it('makes signatures that OpenSSL accepts', () => {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(fromBase64(key.publicKey)) };
    const text = 'Grüße 🎈';
    expect(verify(null, Buffer.from(text), createPublicKey({ key: jwk, format: 'jwk' }), fromBase64(key.sign(text)))).toBe(true);
  });

  it('verifies its own and refuses everything else', () => {
    const signature = key.sign('text');
    expect(verifyText(key.publicKey, 'text', signature)).toBe(true);
    expect(verifyText(key.publicKey, 'other', signature)).toBe(false);
    expect(verifyText(accountKey(new Uint8Array(32)).publicKey, 'text', signature)).toBe(false);
    for (const bad of ['', '!', 'AAAA', signature.slice(4)]) {
      expect(verifyText(key.publicKey, 'text', bad)).toBe(false);
      expect(verifyText(bad, 'text', signature)).toBe(false);
    }
  });

  it('takes 32 bytes, and is not changed by its caller', () => {
    expect(() => accountKey(new Uint8Array(31))).toThrow('32 bytes');
    const seed = new Uint8Array(32).fill(5);
    const made = accountKey(seed);
    const before = made.sign('x');
    seed.fill(0);
    expect(made.sign('x')).toBe(before);
  });
});

describe('base64', () => {
  it('reads both alphabets, padded or not', () => {
    const bytes = Uint8Array.of(251, 255, 254, 1);
    expect(toBase64(bytes)).toBe('+//+AQ');
    expect(toBase64Url(bytes)).toBe('-__-AQ');
    for (const text of ['+//+AQ', '+//+AQ==', '-__-AQ', '-__-AQ==']) expect(fromBase64(text)).toEqual(bytes);
    for (const text of ['A', 'AA A', 'AA=A', 'é']) expect(() => fromBase64(text)).toThrow('not base64');
  });
});
