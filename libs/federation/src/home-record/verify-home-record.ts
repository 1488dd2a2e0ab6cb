import { localpartOf, serverNameOf } from '../identifiers/index.js';
import { verifySignature } from '../signing/index.js';
import { isSelfCertifying, selfCertifyingLocalpart } from './genesis.js';
import { HomeRecordError, type HomeRecord } from './home-record.js';
import { accountKeyCertInput, homeRecordInput } from './signed-texts.js';

/**
 * Checks that a record, as `readHomeRecord` returns it, proves itself: the name belongs to the genesis, the account
 * key is the genesis' or certified by its recovery key, and the account key signed the record.
 *
 * Whether a named account is endorsed by its server is not checked here; that takes the server's keys.
 *
 * @throws HomeRecordError
 */
export function verifyHomeRecord(record: HomeRecord): void {
  checkName(record);
  checkProvisional(record);
  const key = accountKeyOf(record);
  if (!verifySignature(key, homeRecordInput(record), record.signature)) {
    throw new HomeRecordError('home record: not signed by the account key');
  }
}

/** The account key that must have signed the record; throws unless its certificate, if any, is good. */
function accountKeyOf({ genesis, account_key_cert: cert, epoch }: HomeRecord): string {
  if (cert === null) {
    // Without a certificate nobody can have raised the epoch: only the recovery key may.
    if (epoch !== 0) throw new HomeRecordError('home record: epoch without account_key_cert');
    return genesis.account_key;
  }
  if (epoch === 0 || cert.epoch !== epoch) throw new HomeRecordError('home record: epoch of account_key_cert differs');
  if (!verifySignature(genesis.recovery_key, accountKeyCertInput(cert), cert.signature)) {
    throw new HomeRecordError('home record: account_key_cert is not signed by the recovery key');
  }
  return cert.account_key;
}

/** Whoever had an access token for a moment must not take the account away from the domain that can still say so (protocol §2). */
function checkProvisional({ endorsement_terms: terms, homes, genesis }: HomeRecord): void {
  if (terms?.provisional !== true || homes.some((home) => home.server_name === genesis.server_name)) return;
  throw new HomeRecordError('home record: with a provisional endorsement the domain of the name is a home');
}

function checkName({ user_id: userId, genesis }: HomeRecord): void {
  if (serverNameOf(userId) !== genesis.server_name) {
    throw new HomeRecordError('home record: user_id is not on the server of the genesis');
  }
  // The form of the name decides, not the record: else a stranger could claim a self-certifying name as a named one.
  const expected = isSelfCertifying(userId) ? selfCertifyingLocalpart(genesis) : genesis.label;
  if (localpartOf(userId) !== expected) throw new HomeRecordError('home record: user_id does not match the genesis');
}
