import type { AccountKeyCert, HomeRecord } from './home-record.js';
import { accountKeyCertInput, homeRecordInput } from './signed-texts.js';

/**
 * Signs a record with the account key.
 *
 * @param sign returns the unpadded Base64 Ed25519 signature of a text
 */
export function signHomeRecord(unsigned: Omit<HomeRecord, 'signature'>, sign: (text: string) => string): HomeRecord {
  return { ...unsigned, signature: sign(homeRecordInput(unsigned)) };
}

/** Certifies a new account key for an epoch (1 or more) with the recovery key. */
export function signAccountKeyCert(
  unsigned: Omit<AccountKeyCert, 'signature'>, sign: (text: string) => string,
): AccountKeyCert {
  return { ...unsigned, signature: sign(accountKeyCertInput(unsigned)) };
}
