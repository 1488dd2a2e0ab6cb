import { canonicalJson } from '../canonical-json/index.js';
import { sha256, unpaddedBase64 } from '../signing/index.js';
import type { HomeRecord } from './home-record.js';

/** SHA-256 of the canonical record with its signature, unpadded Base64: what `prev_sha256` names. */
export function recordHash(record: HomeRecord): string {
  return unpaddedBase64(sha256(canonicalJson(record)));
}

/**
 * The total order of the records of one account: positive when `a` is the later one, negative when `b` is, 0 when they are
 * identical. `(epoch, seq)` decides; of two different records with the same pair (two devices that signed apart, or a key in
 * several hands) the one with the lower SHA-256 of its canonical JSON follows the other, everywhere the same (protocol §2).
 */
export function compareRecords(a: HomeRecord, b: HomeRecord): number {
  const byVersion = compareVersions(a, b);
  if (byVersion !== 0) return byVersion;
  const textA = canonicalJson(a);
  const textB = canonicalJson(b);
  return textA === textB ? 0 : Buffer.compare(sha256(textB), sha256(textA));
}

/** Orders by `(epoch, seq)` alone. */
export function compareVersions(a: HomeRecord, b: HomeRecord): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}

/** True for two different records of one account with the same `(epoch, seq)`: the account's key signed both. */
export function isEquivocation(a: HomeRecord, b: HomeRecord): boolean {
  return a.user_id === b.user_id && compareVersions(a, b) === 0 && canonicalJson(a) !== canonicalJson(b);
}

/**
 * The monotonic rule (protocol §3, rule 3): may `next` stand where `current` stood? It must be of the same genesis and
 * not before it in the order of `compareRecords`. The first record of an account may always follow.
 */
export function mayFollow(current: HomeRecord | undefined, next: HomeRecord): boolean {
  if (current === undefined) return true;
  if (current.user_id !== next.user_id) return false;
  if (canonicalJson(current.genesis) !== canonicalJson(next.genesis)) return false;
  return compareRecords(next, current) >= 0;
}
