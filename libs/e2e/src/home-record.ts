import { sha256 } from '@noble/hashes/sha2.js';
import { canonicalJson } from '#canonical-json';
import type { EndorsementTerms, HomeEntry, HomeRecord, LogPlace, RetiredHome } from '#federation';
import type { AccountKey } from './account-key.js';
import { toBase64 } from './base64.js';
import type { Genesis } from './genesis.js';

/** The most homes that a record may name (protocol §2). */
export const maxHomes = 5;
/** The most former homes that a record lists; the oldest one is closed when a sixth comes. */
export const maxRetired = 5;

export class HomeChangeError extends Error {}

/**
 * The first record of an account.
 * @param homes one to five entries, each as returned by `POST …/account/attach` of that home
 * @param endorsement signatures of the name's server over the genesis; only named accounts have one
 */
export function firstHomeRecord(input: {
  userId: string;
  genesis: Genesis;
  homes: HomeEntry[];
  masterKey?: string | null;
  endorsement?: Record<string, string>;
  endorsementTerms?: EndorsementTerms;
}, accountKey: AccountKey): HomeRecord {
  return signRecord({
    user_id: input.userId,
    genesis: input.genesis,
    account_key_cert: null,
    epoch: 0,
    seq: 0,
    master_key: input.masterKey ?? null,
    homes: checkedHomes(input.homes),
    ...(input.endorsement ? { endorsement: input.endorsement } : {}),
    ...(input.endorsementTerms ? { endorsement_terms: input.endorsementTerms } : {}),
  }, accountKey);
}

export interface HomeChange {
  /** Entries to add; an entry of a server that is in the record already replaces that one (a new home key, say). */
  add?: HomeEntry[];
  /** Names of servers that leave in peace, dead or moved away: what they did stands. */
  drop?: string[];
  /** Names of servers, homes or retired ones, that are not trusted any more: what they did and others do not hold falls. */
  revoke?: string[];
  /** Names of retired servers of which nothing late is to be taken any more. */
  close?: string[];
  /** How far the logs of former homes count, beside what the record says already. */
  cuts?: Record<string, LogPlace[]>;
  /** New priorities by server name; lower is preferred. */
  priorities?: Record<string, number>;
  /** A new pinned cross-signing master key; null removes the pin. */
  masterKey?: string | null;
  /** The final endorsement of the domain in place of the provisional one (`POST …/account/attach`, protocol §2). */
  endorsement?: Record<string, string>;
}

/**
 * The next record: `seq` + 1, with homes added and dropped, signed by the account key.
 * @throws HomeChangeError when no home or more than five would be left, or the key is not the record's account key
 */
export function nextHomeRecord(current: HomeRecord, change: HomeChange, accountKey: AccountKey): HomeRecord {
  return follow(current, { ...current, seq: current.seq + 1 }, change, accountKey);
}

function follow(previous: HomeRecord, current: HomeRecord, change: HomeChange, accountKey: AccountKey): HomeRecord {
  if (accountKey.publicKey !== currentAccountKey(current)) throw new HomeChangeError('not the account key of this record');
  const added = change.add ?? [];
  // A server that was dropped makes a new key when it is asked again; an old one would bring back what was cut off.
  if (added.some((home) => isFormerKey(previous, home.key))) throw new HomeChangeError('the key of a former home');
  const revoked = new Set(change.revoke ?? []);
  const gone = new Set([...(change.drop ?? []), ...revoked, ...added.map((home) => home.server_name)]);
  const homes = [...current.homes.filter((home) => !gone.has(home.server_name)), ...added]
    .map((home) => ({ ...home, priority: change.priorities?.[home.server_name] ?? home.priority }));
  const retired = retiredAfter(current, homes, new Set([...revoked, ...(change.close ?? [])]));
  const cuts = { ...current.cuts, ...change.cuts };
  const { signature: _signature, retired: _retired, cuts: _cuts, ...kept } = current;
  const { endorsement_terms: _terms, ...final } = kept;
  return signRecord({
    ...(change.endorsement ? { ...final, endorsement: change.endorsement } : kept),
    prev_sha256: recordSha256(previous),
    master_key: change.masterKey === undefined ? current.master_key : change.masterKey,
    homes: checkedHomes(homes),
    ...(retired.length > 0 && { retired }),
    ...(Object.keys(cuts).length > 0 && { cuts }),
  }, accountKey);
}

/** Whether a key was a home's that is one no more: it is retired, or its log (protocol §4) was cut. */
function isFormerKey(current: HomeRecord, key: string): boolean {
  if (current.homes.some((home) => home.key === key)) return false;
  const hash = sha256(new TextEncoder().encode(canonicalJson({ key, user_id: current.user_id })));
  const prefix = toBase64(hash).replaceAll('+', '-').replaceAll('/', '_').slice(0, 32);
  return (current.retired ?? []).some((former) => former.key === key) || Object.keys(current.cuts ?? {}).some((log) => log.startsWith(prefix));
}

/** Former homes by key, oldest first: a server that comes back with a new key leaves its old one behind. */
function retiredAfter(current: HomeRecord, homes: readonly HomeEntry[], out: ReadonlySet<string>): RetiredHome[] {
  const keys = new Set(homes.map((home) => home.key));
  const gone = current.homes.filter((home) => !keys.has(home.key)).map(({ server_name, key_id, key }) => ({ server_name, key_id, key }));
  return [...(current.retired ?? []), ...gone].filter((home) => !out.has(home.server_name)).slice(-maxRetired);
}

/**
 * Replaces the account key by means of the recovery key: `epoch` + 1, so that the record outranks whatever the holder of
 * a stolen account key has signed or will sign.
 * @throws HomeChangeError when the key is not the account's recovery key, or as `nextHomeRecord`
 */
export function recoveredHomeRecord(
  current: HomeRecord,
  change: HomeChange,
  recoveryKey: AccountKey,
  newAccountKey: AccountKey,
): HomeRecord {
  if (recoveryKey.publicKey !== current.genesis.recovery_key) throw new HomeChangeError('not the recovery key of this account');
  const epoch = current.epoch + 1;
  const certificate = { account_key: newAccountKey.publicKey, epoch };
  const signature = recoveryKey.sign(accountKeyCertText(certificate));
  const { deactivated: _deactivated, erase: _erase, ...alive } = current;
  return follow(current, { ...alive, epoch, seq: current.seq + 1, account_key_cert: { ...certificate, signature } }, change, newAccountKey);
}

/**
 * The last record of an account: without homes (protocol §2). Nothing of the account's key follows it. The homes are among the
 * retired ones, so that what they did beside it stands; of more than five the last.
 */
export function lastHomeRecord(current: HomeRecord, erase: boolean, accountKey: AccountKey): HomeRecord {
  if (accountKey.publicKey !== currentAccountKey(current)) throw new HomeChangeError('not the account key of this record');
  return signRecord(unsignedLastRecord(current, erase), accountKey);
}

/** The same for who signs elsewhere: over `homeRecordText` of it. */
export function unsignedLastRecord(current: HomeRecord, erase: boolean): Omit<HomeRecord, 'signature'> {
  const { signature: _signature, ...unsigned } = current;
  const retired = retiredAfter(current, [], new Set());
  return { ...unsigned, seq: current.seq + 1, prev_sha256: recordSha256(current), homes: [], retired, deactivated: true, erase };
}

/** SHA-256 of the canonical record, unpadded Base64: what the record after it names in `prev_sha256`. */
export function recordSha256(record: HomeRecord): string {
  return toBase64(sha256(new TextEncoder().encode(canonicalJson(record))));
}

/** The key that signs records of this account now: that of the certificate, else that of the genesis. */
export function currentAccountKey(record: Pick<HomeRecord, 'account_key_cert' | 'genesis'>): string {
  return record.account_key_cert?.account_key ?? record.genesis.account_key;
}

/** The text that R signs to make another key the account key. */
export function accountKeyCertText(certificate: { account_key: string; epoch: number }): string {
  return canonicalJson({ ...certificate, signature: undefined });
}

/** The text that K signs: the record without its signature. */
export function homeRecordText(record: Omit<HomeRecord, 'signature'>): string {
  return canonicalJson({ ...record, signature: undefined });
}

/** Completes a record with the account key's signature. */
export function signRecord(record: Omit<HomeRecord, 'signature'>, key: AccountKey): HomeRecord {
  return { ...record, signature: key.sign(homeRecordText(record)) };
}

function checkedHomes(homes: HomeEntry[]): HomeEntry[] {
  if (homes.length === 0) throw new HomeChangeError('an account needs a home');
  if (homes.length > maxHomes) throw new HomeChangeError(`an account has at most ${maxHomes} homes`);
  if (new Set(homes.map((home) => home.server_name)).size !== homes.length) throw new HomeChangeError('a home is named twice');
  return homes;
}
