import { isLogOf } from '../account-log/log-name.js';
import { canonicalJson } from '../canonical-json/index.js';
import { sha256, unpaddedBase64 } from '../signing/index.js';
import { genesisHash } from './genesis.js';
import type { HomeRecord } from './home-record.js';

/** SHA-256 of the canonical record with its signature, unpadded Base64: what `prev_sha256` names. */
export function recordHash(record: HomeRecord): string {
  return unpaddedBase64(hashOf(record));
}

// State resolution compares the same few records again and again. Weak keys: the entries go with the records.
const hashes = new WeakMap<HomeRecord, Uint8Array>();

function hashOf(record: HomeRecord): Uint8Array {
  let hash = hashes.get(record);
  if (hash === undefined) hashes.set(record, (hash = sha256(canonicalJson(record))));
  return hash;
}

/**
 * The total order of the records of one account: positive when `a` is the later one, negative when `b` is, 0 when they are
 * identical. The epoch decides; within one, that the account has ended, which only an epoch undoes; then `seq`; of two
 * different records that are equal so far (two devices that signed apart, or a key in several hands) the one with the lower
 * SHA-256 of its canonical JSON follows the other, everywhere the same (protocol §2).
 */
export function compareRecords(a: HomeRecord, b: HomeRecord): number {
  const byVersion = a.epoch - b.epoch || Number(a.deactivated ?? false) - Number(b.deactivated ?? false) || a.seq - b.seq;
  return byVersion !== 0 || a === b ? byVersion : Buffer.compare(hashOf(b), hashOf(a));
}

/** The last of some records of one account; undefined of none. */
export function highestRecord(records: Iterable<HomeRecord>): HomeRecord | undefined {
  let highest: HomeRecord | undefined;
  for (const record of records) if (!highest || compareRecords(record, highest) > 0) highest = record;
  return highest;
}

/** True for two different records of one account with the same `(epoch, seq)`: the account's key signed both. */
export function isEquivocation(a: HomeRecord, b: HomeRecord): boolean {
  return a.user_id === b.user_id && a.epoch === b.epoch && a.seq === b.seq && canonicalJson(a) !== canonicalJson(b);
}

export function isSameGenesis(a: HomeRecord, b: HomeRecord): boolean {
  return a === b || genesisHash(a.genesis) === genesisHash(b.genesis);
}

/**
 * May `next` stand where `current` stood (protocol §2)? It must be of the same genesis and not before it in the order of
 * `compareRecords`. After the last record of an account comes nothing of that epoch. What was made from `current` itself must
 * not take back a home under a key that is retired there, or whose log is cut there: whoever was dropped comes back with a
 * new key. The first record of an account may always follow.
 */
export function mayFollow(current: HomeRecord | undefined, next: HomeRecord): boolean {
  if (current === undefined) return true;
  if (current.user_id !== next.user_id || !isSameGenesis(current, next)) return false;
  if (compareRecords(next, current) < 0) return false;
  return !(revivesKey(current, next) && next.prev_sha256 === recordHash(current));
}

/** Only of a direct successor this can be told: a record that was signed apart could not know of the other's drop. */
function revivesKey(current: HomeRecord, next: HomeRecord): boolean {
  const added = next.homes.filter((home) => !current.homes.some((one) => one.key === home.key));
  const cut = Object.keys(current.cuts ?? {});
  return added.some(({ key }) => current.retired?.some((former) => former.key === key) || cut.some((log) => isLogOf(log, current.user_id, key)));
}
