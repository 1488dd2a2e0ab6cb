import { createPublicKey, verify } from 'node:crypto';
import { encryptedPush, isPushKey, MAX_PUSH_TEXT } from './push-encryption.js';
import { vapidAuthorization, vapidKeyFrom, vapidKeyOf } from './vapid.js';

const bytes = (text: string): Buffer => Buffer.from(text, 'base64url');

describe('Web Push', () => {
  const keys = {
    publicKey: bytes('BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4'), auth: bytes('BTBZMqHH6r4Tts7J_aSIgg'),
  };
  const once = { privateKey: bytes('yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw'), salt: bytes('DGv6ra1nlYgDCS1FRnbzlw') };

  it('encrypts as the example of RFC 8291 does', () => {
    expect(encryptedPush('When I grow up, I want to be a watermelon', keys, once).toString('base64url')).toBe(
      'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
    );
  });

  it('takes what fits into one record', () => {
    expect(encryptedPush('x'.repeat(MAX_PUSH_TEXT), keys, once)).toHaveLength(4_096);
    expect(() => encryptedPush('x'.repeat(MAX_PUSH_TEXT + 1), keys, once)).toThrow(RangeError);
  });

  it('knows points of the curve from others', () => {
    expect(isPushKey(keys.publicKey)).toBe(true);
    const wrong = Buffer.from(keys.publicKey);
    wrong[64]! ^= 1;
    for (const other of [wrong, keys.publicKey.subarray(1), Buffer.alloc(65, 4), Buffer.alloc(0)]) expect(isPushKey(other)).toBe(false);
  });

  it('has a key for each account that nobody guesses from another one', () => {
    const own = vapidKeyOf('secret', '@alice:a.example');
    expect(vapidKeyOf('secret', '@alice:a.example')).toEqual(own);
    expect(vapidKeyFrom(own.privateKey)).toEqual(own);
    expect(isPushKey(bytes(own.publicKey))).toBe(true);
    for (const other of [vapidKeyOf('secret', '@bob:a.example'), vapidKeyOf('another', '@alice:a.example')]) expect(other.publicKey).not.toBe(own.publicKey);
  });

  it('proves to a push service whose requests they are', () => {
    const key = vapidKeyOf('secret', '@alice:a.example');
    const header = vapidAuthorization(key, { url: new URL('https://push.example:8443/send/x'), contact: 'https://a.example', now: 1_700_000_000_500 });
    const [, token, shown] = /^vapid t=(\S+), k=(\S+)$/.exec(header)!;
    expect(shown).toBe(key.publicKey);
    const [head, claims, signature] = token!.split('.');
    expect(JSON.parse(bytes(head!).toString())).toEqual({ typ: 'JWT', alg: 'ES256' });
    expect(JSON.parse(bytes(claims!).toString())).toEqual({ aud: 'https://push.example:8443', exp: 1_700_043_200, sub: 'https://a.example' });
    const point = bytes(key.publicKey);
    const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') } });
    expect(verify('sha256', Buffer.from(`${head}.${claims}`), { key: publicKey, dsaEncoding: 'ieee-p1363' }, bytes(signature!))).toBe(true);
  });
});
