import { decodeRecoveryKey, encodeRecoveryKey } from 'matrix-js-sdk/lib/crypto-api/recovery-key.js';
import { readRecoveryCode, recoveryCode, RecoveryCodeError, recoveryKeys } from './recovery-code.js';

const secret = Uint8Array.from({ length: 32 }, (_, i) => i * 7);

describe('recovery code', () => {
  it('is the format of other Matrix clients, in both directions', () => {
    expect(recoveryCode(secret)).toBe(encodeRecoveryKey(secret));
    expect(decodeRecoveryKey(recoveryCode(secret))).toEqual(secret);
    expect(readRecoveryCode(encodeRecoveryKey(secret)!)).toEqual(secret);
  });

  it('is read whatever the white space', () => {
    const code = recoveryCode(secret);
    expect(code).toMatch(/^(\S{4} )+\S{1,4}$/);
    expect(readRecoveryCode(code.replace(/ /g, ''))).toEqual(secret);
    expect(readRecoveryCode(`\n ${code.replace(/ /g, '\t\n')}  `)).toEqual(secret);
  });

  it.each([
    ['characters', (code: string) => code.replace(/.$/, '0')],
    ['length', (code: string) => code.slice(0, -5)],
    ['length', () => 'a'.repeat(100_000)],
    ['length', () => ''],
    ['prefix', (code: string) => `F${code.slice(1)}`],
    ['parity', (code: string) => code.slice(0, 20) + (code[20] === 'a' ? 'b' : 'a') + code.slice(21)],
  ])('says what is wrong: %s', (fault, spoil) => {
    expect(() => readRecoveryCode(spoil(recoveryCode(secret).replace(/ /g, '')))).toThrow(new RecoveryCodeError(fault as 'parity'));
  });

  it('derives two unrelated keys, always the same', () => {
    const keys = recoveryKeys(secret);
    expect(keys.secretStorageKey).toHaveLength(32);
    expect(keys.recoveryKey.seed).not.toEqual(keys.secretStorageKey);
    expect(keys.secretStorageKey).not.toEqual(secret);
    expect(recoveryKeys(secret).recoveryKey.publicKey).toBe(keys.recoveryKey.publicKey);
    expect(recoveryKeys(secret.map((byte) => byte ^ 1)).recoveryKey.publicKey).not.toBe(keys.recoveryKey.publicKey);
  });
});
