import { signingKeyFromSeed, signJson, type JsonObject } from '#federation';
import { readKeyResponse } from './key-response.js';

const key = signingKeyFromSeed('ed25519:k1', new Uint8Array(32).fill(1));
const other = signingKeyFromSeed('ed25519:k1', new Uint8Array(32).fill(2));
const unsigned: JsonObject = {
  server_name: 'a.example',
  verify_keys: { 'ed25519:k1': { key: key.publicKey }, 'curve25519:x': { key: 'AAAA' } },
  old_verify_keys: { 'ed25519:k0': { key: other.publicKey, expired_ts: 5 } },
  valid_until_ts: 1_000,
};

describe('readKeyResponse', () => {
  it('reads keys in use and retired ones', () => {
    expect(readKeyResponse(signJson(unsigned, 'a.example', key), 'a.example')).toEqual({
      validUntilTs: 1_000,
      keys: [
        { keyId: 'ed25519:k1', publicKey: key.publicKey, expiredTs: null },
        { keyId: 'ed25519:k0', publicKey: other.publicKey, expiredTs: 5 },
      ],
    });
  });

  it.each([
    ['without a signature', unsigned],
    ['signed by a key that is not in it', signJson(unsigned, 'a.example', other)],
    ['signed in another name', signJson(unsigned, 'b.example', key)],
    ['changed after signing', { ...signJson(unsigned, 'a.example', key), valid_until_ts: 2_000 }],
    ['of another server', signJson({ ...unsigned, server_name: 'b.example' }, 'a.example', key)],
    ['without valid_until_ts', signJson({ ...unsigned, valid_until_ts: 'soon' }, 'a.example', key)],
    ['signed by a retired key only', signJson({ ...unsigned, verify_keys: {}, old_verify_keys: { 'ed25519:k1': { key: key.publicKey, expired_ts: 5 } } }, 'a.example', key)],
    ['that is no object', [1]],
  ])('refuses an object %s', (_name, value) => {
    expect(readKeyResponse(value, 'a.example')).toBeUndefined();
  });
});
