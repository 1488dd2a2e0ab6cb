import type { HomeRecord } from '#federation';

/** The public key that speaks for the account now: the certified one, else that of the genesis. Unpadded Base64. */
export function accountKeyOf(record: HomeRecord): string {
  return record.account_key_cert?.account_key ?? record.genesis.account_key;
}
