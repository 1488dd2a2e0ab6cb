import type { HomeRecord } from '#federation';
import { verifyText } from './account-key.js';
import { hasSelfCertifyingForm, namedUserId, selfCertifyingUserId } from './genesis.js';
import { compareHomeRecords } from './order-home-records.js';
import { accountKeyCertText, currentAccountKey, homeRecordText, maxHomes } from './home-record.js';

/**
 * Whether a record that a server handed out is really this account's: client-side counterpart of the servers' check, so that a
 * home cannot talk a client into trusting other homes. Does not look at the endorsement, which is pinned on first sight.
 * Never throws, whatever `value` is.
 */
export function isHomeRecordOf(userId: string, value: unknown): value is HomeRecord {
  try {
    return check(userId, value as HomeRecord);
  } catch {
    return false;
  }
}

/**
 * Whether `next` takes the place of `current` in a client's phonebook: of the same genesis and later in the order that the
 * servers have (protocol §2), so that client and servers end with the same of two records that were signed apart.
 */
export function isNewerHomeRecord(current: HomeRecord, next: HomeRecord): boolean {
  const sameGenesis = selfCertifyingUserId(current.genesis) === selfCertifyingUserId(next.genesis);
  return sameGenesis && compareHomeRecords(next, current) > 0;
}

function check(userId: string, record: HomeRecord): boolean {
  const { genesis, account_key_cert: certificate } = record;
  if (record.user_id !== userId) return false;
  // The form of the name decides: else a stranger could claim a self-certifying name as a named one.
  const name = hasSelfCertifyingForm(userId) ? selfCertifyingUserId(genesis) : namedUserId(genesis);
  if (userId !== name) return false;
  if (!Number.isSafeInteger(record.seq) || record.seq < 0 || !Number.isSafeInteger(record.epoch) || record.epoch < 0) return false;
  if (record.epoch !== (certificate?.epoch ?? 0)) return false;
  if (certificate && !verifyText(genesis.recovery_key, accountKeyCertText(certificate), certificate.signature)) return false;
  if (!Array.isArray(record.homes) || record.homes.length > maxHomes) return false;
  if (record.homes.some((home) => typeof home.server_name !== 'string' || typeof home.priority !== 'number')) return false;
  return verifyText(currentAccountKey(record), homeRecordText(record), record.signature);
}
