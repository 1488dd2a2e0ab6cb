import { createHmac } from 'node:crypto';
import { accountKey, verifyText } from './account-key.js';
import { loginProofText } from './login-proof.js';
import { txnId } from './txn-id.js';

describe('txn id', () => {
  const secret = new Uint8Array(32).fill(7);
  const path = '/_matrix/client/v3/rooms/!r/send/m.room.message/m1';

  it('is 16 bytes of HMAC-SHA-256 in base64url', () => {
    const expected = createHmac('sha256', secret).update(`PUT\n${path}\nm1`).digest().subarray(0, 16).toString('base64url');
    expect(txnId(secret, 'PUT', path, 'm1')).toBe(expected);
  });

  it('differs with each of its parts', () => {
    const ids = [
      txnId(secret, 'PUT', path, 'm1'),
      txnId(secret, 'PUT', path, 'm2'),
      txnId(secret, 'PUT', `${path}x`, 'm1'),
      txnId(secret, 'POST', path, 'm1'),
      txnId(new Uint8Array(32).fill(8), 'PUT', path, 'm1'),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('login proof', () => {
  it('is good for one nonce at one home', () => {
    const key = accountKey(new Uint8Array(32).fill(1));
    const signature = key.sign(loginProofText('n', '@a:a', 'a'));
    expect(loginProofText('n', '@a:a', 'a')).toBe('{"nonce":"n","purpose":"io.partyline.login","server_name":"a","user_id":"@a:a"}');
    expect(verifyText(key.publicKey, loginProofText('n', '@a:a', 'a'), signature)).toBe(true);
    expect(verifyText(key.publicKey, loginProofText('n', '@a:a', 'b'), signature)).toBe(false);
    expect(verifyText(key.publicKey, loginProofText('m', '@a:a', 'a'), signature)).toBe(false);
  });
});
