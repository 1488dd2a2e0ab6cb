import type { JsonObject } from '../events/pdu.js';
import fc from 'fast-check';
import {
  Base64Error, fromBase64, sha256, signedBytes, signingKeyFromSeed, signJson, unpaddedBase64, urlSafeUnpaddedBase64,
  verifyJson, verifySignature, verifySignatureAsync,
} from './index.js';

// The appendices' test vectors, §Cryptographic test vectors.
const key = signingKeyFromSeed('ed25519:1', fromBase64('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1'));

describe('Base64', () => {
  it.each([['', ''], ['f', 'Zg'], ['fo', 'Zm8'], ['foo', 'Zm9v'], ['foob', 'Zm9vYg'], ['fooba', 'Zm9vYmE'], ['foobar', 'Zm9vYmFy']])(
    'encodes %j without padding', (text, encoded) => {
      expect(unpaddedBase64(Buffer.from(text))).toBe(encoded);
      expect(Buffer.from(fromBase64(encoded)).toString()).toBe(text);
    },
  );

  it('decodes either alphabet with or without padding', () => {
    const bytes = Uint8Array.of(0xfb, 0xff, 0xfe, 0xff);
    expect(unpaddedBase64(bytes)).toBe('+//+/w');
    expect(urlSafeUnpaddedBase64(bytes)).toBe('-__-_w');
    for (const text of ['+//+/w', '+//+/w==', '-__-_w', '-__-_w==']) expect(Uint8Array.from(fromBase64(text))).toEqual(bytes);
  });

  it.each(['a', 'ab cd', 'ab\ncd', 'äbcd', 'ab=cd', 'abcd==='])('refuses %j', (text) => {
    expect(() => fromBase64(text)).toThrow(Base64Error);
  });

  it('encodes a view into a larger buffer', () => {
    expect(unpaddedBase64(new Uint8Array(Buffer.from('xfoox').buffer.slice(0)).subarray(0, 0))).toBe('');
    expect(unpaddedBase64(Uint8Array.from(Buffer.from('xfoox')).subarray(1, 4))).toBe('Zm9v');
  });

  it('round-trips any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      expect(Uint8Array.from(fromBase64(unpaddedBase64(bytes)))).toEqual(bytes);
      expect(Uint8Array.from(fromBase64(urlSafeUnpaddedBase64(bytes)))).toEqual(bytes);
    }));
  });
});

describe('signJson', () => {
  it('signs the empty object as the specification does', () => {
    expect(signJson({}, 'domain', key)).toEqual({
      signatures: { domain: {
        'ed25519:1': 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ',
      } },
    });
  });

  it('signs data as the specification does', () => {
    expect(signJson({ one: 1, two: 'Two' }, 'domain', key)).toEqual({
      one: 1, two: 'Two',
      signatures: { domain: {
        'ed25519:1': 'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw',
      } },
    });
  });

  it('keeps other signatures and unsigned, and covers neither', () => {
    const once = signJson({ one: 1, unsigned: { age: 5 } }, 'a', key);
    const twice = signJson(once, 'b', key);
    expect(twice.signatures.a).toEqual(once.signatures.a);
    expect(twice.signatures.b).toEqual(once.signatures.a);
    expect(twice.unsigned).toEqual({ age: 5 });
    expect(signedBytes(twice)).toBe('{"one":1}');
  });

  it('verifies what it signed, and nothing that was changed', () => {
    const signed = signJson({ one: 1 }, 'domain', key);
    expect(verifyJson(signed, 'domain', 'ed25519:1', key.publicKey)).toBe(true);
    expect(verifyJson({ ...signed, unsigned: { any: 'thing' } }, 'domain', 'ed25519:1', key.publicKey)).toBe(true);
    expect(verifyJson({ ...signed, one: 2 }, 'domain', 'ed25519:1', key.publicKey)).toBe(false);
    expect(verifyJson({ ...signed, two: 2 }, 'domain', 'ed25519:1', key.publicKey)).toBe(false);
    expect(verifyJson(signed, 'other', 'ed25519:1', key.publicKey)).toBe(false);
    expect(verifyJson(signed, 'domain', 'ed25519:2', key.publicKey)).toBe(false);
  });

  it('answers false for malformed objects', () => {
    const signature = signJson({}, 'domain', key).signatures.domain!['ed25519:1']!;
    const malformed: JsonObject[] = [
      {}, { signatures: null }, { signatures: [] }, { signatures: { domain: 'text' } },
      { signatures: { domain: { 'ed25519:1': 7 } } },
      { signatures: { domain: { 'ed25519:1': signature } }, float: 1.5 },
    ];
    for (const object of malformed) expect(verifyJson(object, 'domain', 'ed25519:1', key.publicKey)).toBe(false);
    expect(verifyJson({ signatures: {} }, 'constructor', 'name', key.publicKey)).toBe(false);
  });
});

describe('verifySignature', () => {
  const signature = key.sign('message ü');

  it('accepts key and signature in any Base64', async () => {
    const variants = [signature, `${signature}==`, signature.replaceAll('+', '-').replaceAll('/', '_')];
    for (const variant of variants) {
      expect(verifySignature(key.publicKey, 'message ü', variant)).toBe(true);
      expect(verifySignature(`${key.publicKey}=`, 'message ü', variant)).toBe(true);
      await expect(verifySignatureAsync(key.publicKey, 'message ü', variant)).resolves.toBe(true);
    }
  });

  it.each([
    ['another message', key.publicKey, 'message', signature],
    ['an empty signature', key.publicKey, 'message ü', ''],
    ['a short signature', key.publicKey, 'message ü', signature.slice(0, -4)],
    ['a long signature', key.publicKey, 'message ü', `${signature}AAAA`],
    ['a signature that is no Base64', key.publicKey, 'message ü', '!'.repeat(86)],
    ['an empty key', '', 'message ü', signature],
    ['a short key', key.publicKey.slice(0, -4), 'message ü', signature],
    ['another key', unpaddedBase64(new Uint8Array(32).fill(7)), 'message ü', signature],
    ['a key that is no point', unpaddedBase64(new Uint8Array(32).fill(255)), 'message ü', signature],
  ])('answers false for %s', async (_, publicKey, message, given) => {
    expect(verifySignature(publicKey, message, given)).toBe(false);
    await expect(verifySignatureAsync(publicKey, message, given)).resolves.toBe(false);
  });

  it('still verifies after more keys than it remembers', () => {
    for (let i = 0; i < 4_200; i++) {
      verifySignature(unpaddedBase64(sha256(`key ${i}`)), 'message ü', signature);
    }
    expect(verifySignature(key.publicKey, 'message ü', signature)).toBe(true);
  });
});

it('refuses a seed of another length', () => {
  expect(() => signingKeyFromSeed('ed25519:1', new Uint8Array(31))).toThrow(RangeError);
});
