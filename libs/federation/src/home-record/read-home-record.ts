import { canonicalJson } from '../canonical-json/index.js';
import { isServerName, isUserId } from '../identifiers/index.js';
import { HomeRecordError, type HomeRecord } from './home-record.js';

/** Protocol §2. */
const MAX_HOMES = 5;
/** Every member event carries the record, so it must stay small beside the 65,536 bytes of an event. */
const MAX_BYTES = 8192;
/** A server signs with its current keys; more than a few are noise. */
const MAX_SIGNATURES = 5;
/** Former homes that still count. */
const MAX_RETIRED = 5;
const MAX_CUT_LOGS = 20;
/** A log that forked counts with its four lowest branches. */
const MAX_PLACES = 4;

// Only one spelling of the same bytes is taken: whoever re-encoded a signature (padding, spare bits) could otherwise
// make a second record with the same (epoch, seq), and the account would look like an equivocator.
const KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$/;
const HASH = KEY;
const LOG = /^[A-Za-z0-9_-]{1,64}$/;
const SIGNATURE = /^[A-Za-z0-9+/]{85}[AQgw]$/;
const HOME_KEY_ID = /^ed25519:[A-Za-z0-9_]{1,64}$/;
const SERVER_KEY_ID = /^ed25519:[!-~]{1,64}$/;

/**
 * Reads the shape of a home record: types, identifiers, sizes. It does not verify signatures; see `verifyHomeRecord`.
 *
 * @returns the same object, with all its members, since the signature covers also those this version does not know
 * @throws HomeRecordError
 */
export function readHomeRecord(value: unknown): HomeRecord {
  const record = objectAt(value, 'record');
  check(isUserId(record['user_id'], { historical: true }), 'user_id');
  readGenesis(record['genesis']);
  if (record['account_key_cert'] !== null) readCert(record['account_key_cert']);
  check(isCount(record['epoch']), 'epoch');
  check(isCount(record['seq']), 'seq');
  check(record['master_key'] === null || matches(KEY, record['master_key']), 'master_key');
  check(record['prev_sha256'] === undefined || matches(HASH, record['prev_sha256']), 'prev_sha256');
  readHomes(record['homes']);
  readRetired(record['retired'], record['homes'] as { key: unknown }[]);
  readCuts(record['cuts']);
  readSignatures(record['endorsement'], 'endorsement');
  readTerms(record['endorsement_terms']);
  const { deactivated, erase } = record;
  check(deactivated === undefined || (deactivated === true && (record['homes'] as unknown[]).length === 0), 'deactivated');
  check(erase === undefined || (typeof erase === 'boolean' && deactivated === true), 'erase');
  check(matches(SIGNATURE, record['signature']), 'signature');
  check(sizeOf(record) <= MAX_BYTES, `size: more than ${MAX_BYTES} bytes`);
  return value as HomeRecord;
}

function readGenesis(value: unknown): void {
  const genesis = objectAt(value, 'genesis');
  check(isText(genesis['label']) && genesis['label'] !== '', 'genesis.label');
  check(isText(genesis['server_name']) && isServerName(genesis['server_name']), 'genesis.server_name');
  check(matches(KEY, genesis['recovery_key']), 'genesis.recovery_key');
  check(matches(KEY, genesis['account_key']), 'genesis.account_key');
  check(isCount(genesis['created_ts']), 'genesis.created_ts');
}

function readCert(value: unknown): void {
  const cert = objectAt(value, 'account_key_cert');
  check(matches(KEY, cert['account_key']), 'account_key_cert.account_key');
  check(isCount(cert['epoch']), 'account_key_cert.epoch');
  check(matches(SIGNATURE, cert['signature']), 'account_key_cert.signature');
}

function readHomes(value: unknown): void {
  check(Array.isArray(value), 'homes');
  const homes = value as unknown[];
  check(homes.length <= MAX_HOMES, `homes: more than ${MAX_HOMES}`);
  const names = new Set<unknown>();
  for (const item of homes) {
    const home = objectAt(item, 'homes[]');
    check(isText(home['server_name']) && isServerName(home['server_name']), 'homes[].server_name');
    check(!names.has(home['server_name']), 'homes[].server_name: named twice');
    names.add(home['server_name']);
    check(matches(HOME_KEY_ID, home['key_id']), 'homes[].key_id');
    check(matches(KEY, home['key']), 'homes[].key');
    check(isCount(home['priority']), 'homes[].priority');
    readSignatures(home['accepted'], 'homes[].accepted');
  }
}

function readRetired(value: unknown, homes: readonly { key: unknown }[]): void {
  if (value === undefined) return;
  check(Array.isArray(value) && value.length <= MAX_RETIRED, `retired: more than ${MAX_RETIRED}`);
  for (const item of value as unknown[]) {
    const home = objectAt(item, 'retired[]');
    check(isText(home['server_name']) && isServerName(home['server_name']), 'retired[].server_name');
    check(matches(HOME_KEY_ID, home['key_id']), 'retired[].key_id');
    check(matches(KEY, home['key']), 'retired[].key');
    check(!homes.some((one) => one.key === home['key']), 'retired[].key: a home as well');
  }
}

function readCuts(value: unknown): void {
  if (value === undefined) return;
  const entries = Object.entries(objectAt(value, 'cuts'));
  check(entries.length <= MAX_CUT_LOGS, `cuts: more than ${MAX_CUT_LOGS}`);
  for (const [log, places] of entries) {
    check(LOG.test(log) && Array.isArray(places) && places.length > 0 && places.length <= MAX_PLACES, 'cuts');
    for (const place of places as unknown[]) {
      check(Array.isArray(place) && place.length === 2 && isCount(place[0]) && matches(HASH, place[1]), 'cuts');
    }
  }
}

function readTerms(value: unknown): void {
  if (value === undefined) return;
  const terms = objectAt(value, 'endorsement_terms');
  check(terms['provisional'] === undefined || terms['provisional'] === true, 'endorsement_terms.provisional');
  check(terms['supersedes'] === undefined || matches(HASH, terms['supersedes']), 'endorsement_terms.supersedes');
}

/** An optional map of key id to signature. */
function readSignatures(value: unknown, where: string): void {
  if (value === undefined) return;
  const entries = Object.entries(objectAt(value, where));
  check(entries.length <= MAX_SIGNATURES, `${where}: more than ${MAX_SIGNATURES}`);
  for (const [keyId, signature] of entries) {
    check(SERVER_KEY_ID.test(keyId) && matches(SIGNATURE, signature), where);
  }
}

function sizeOf(record: object): number {
  try {
    return Buffer.byteLength(canonicalJson(record));
  } catch (error) {
    throw new HomeRecordError(`home record: ${(error as Error).message}`);
  }
}

function objectAt(value: unknown, where: string): Record<string, unknown> {
  check(typeof value === 'object' && value !== null && !Array.isArray(value), where);
  return value as Record<string, unknown>;
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): value is string => typeof value === 'string';
const matches = (pattern: RegExp, value: unknown): boolean => isText(value) && pattern.test(value);

function check(condition: boolean, where: string): void {
  if (!condition) throw new HomeRecordError(`home record: bad ${where}`);
}
