import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { KeyedHash } from './keyed-hash.js';

it('is HMAC-SHA256', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), fc.string({ unit: 'binary', maxLength: 1_000, size: 'max' }), (key, text) => {
    expect(new KeyedHash(Buffer.from(key)).of(text)).toEqual(createHmac('sha256', key).update(text).digest());
  }));
});
