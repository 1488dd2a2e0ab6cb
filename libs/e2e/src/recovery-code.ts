import bs58 from 'bs58';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { accountKey } from './account-key.js';
import type { AccountKey } from './account-key.js';

const prefix = [0x8b, 0x01];
const keyLength = 32;

/** Why a text is no recovery code, so that the interface can say more than "wrong". */
export type RecoveryCodeFault = 'characters' | 'length' | 'prefix' | 'parity';

export class RecoveryCodeError extends Error {
  constructor(readonly fault: RecoveryCodeFault) {
    super(`not a recovery code: ${fault}`);
  }
}

/**
 * Writes 32 bytes in Matrix's recovery-key format: base58 of 0x8B 0x01, the bytes and a parity byte, in groups of four.
 * Source: Client-Server API, "Recovery key" (secret storage).
 * @param secret 32 random bytes
 */
export function recoveryCode(secret: Uint8Array): string {
  if (secret.length !== keyLength) throw new Error('a recovery code holds 32 bytes');
  const bytes = Uint8Array.from([...prefix, ...secret]);
  const text = bs58.encode(Uint8Array.from([...bytes, parityOf(bytes)]));
  return text.replace(/.{4}(?=.)/g, '$& ');
}

/**
 * The 32 bytes of a recovery code. White space anywhere is ignored: people copy codes by hand and from line-wrapped paper.
 * @throws RecoveryCodeError
 */
export function readRecoveryCode(text: string): Uint8Array {
  // Base58 decoding is quadratic; nothing that long can be a code.
  if (text.length > 500) throw new RecoveryCodeError('length');
  const bytes = bs58.decodeUnsafe(text.replace(/\s+/g, ''));
  if (!bytes) throw new RecoveryCodeError('characters');
  if (bytes.length !== prefix.length + keyLength + 1) throw new RecoveryCodeError('length');
  if (prefix.some((byte, i) => bytes[i] !== byte)) throw new RecoveryCodeError('prefix');
  if (parityOf(bytes) !== 0) throw new RecoveryCodeError('parity');
  return bytes.slice(prefix.length, prefix.length + keyLength);
}

/** What one recovery code stands for. */
export interface RecoveryKeys {
  /** 32 bytes: the key of `m.secret_storage.v1.aes-hmac-sha2`. */
  readonly secretStorageKey: Uint8Array;
  /** R: certifies a new account key. */
  readonly recoveryKey: AccountKey;
}

/**
 * Derives both keys from the code's 32 bytes by HKDF-SHA-256 with distinct labels, so that a leaked secret-storage key
 * does not reveal R.
 */
export function recoveryKeys(secret: Uint8Array): RecoveryKeys {
  return {
    secretStorageKey: derive(secret, 'io.partyline.secret_storage'),
    recoveryKey: accountKey(derive(secret, 'io.partyline.recovery_key')),
  };
}

function derive(secret: Uint8Array, label: string): Uint8Array {
  return hkdf(sha256, secret, new Uint8Array(32), new TextEncoder().encode(label), keyLength);
}

function parityOf(bytes: Uint8Array): number {
  return bytes.reduce((parity, byte) => parity ^ byte, 0);
}
