import { canonicalJson } from '../canonical-json/index.js';
import type { AccountKeyCert, HomeRecord } from './home-record.js';

// The texts under the signatures of protocol §2. All are canonical JSON; all signatures are unpadded Base64.

/** What the account key signs: the record without its `signature`. */
export function homeRecordInput(record: Omit<HomeRecord, 'signature'>): string {
  return canonicalJson({ ...record, signature: undefined });
}

/** What the recovery key signs to replace the account key: the certificate without its `signature`. */
export function accountKeyCertInput(cert: Omit<AccountKeyCert, 'signature'>): string {
  return canonicalJson({ ...cert, signature: undefined });
}

/** What a server's signing key signs when it accepts to be a home, with `key` as its home key for the account. */
export function acceptedInput(userId: string, key: string, serverName: string): string {
  return canonicalJson({ user_id: userId, key, server_name: serverName });
}
