import { sha256 } from '@noble/hashes/sha2.js';
import { canonicalJson } from '#canonical-json';
import type { HomeRecord } from '#federation';

/**
 * The total order of the records of one account, as the servers' `compareRecords` has it (protocol §2): epoch, the
 * account's end, `seq`, and of what is equal so far the lower SHA-256 comes later. 0 for identical records only.
 */
export function compareHomeRecords(a: HomeRecord, b: HomeRecord): number {
  const byVersion = a.epoch - b.epoch || Number(a.deactivated ?? false) - Number(b.deactivated ?? false) || a.seq - b.seq;
  if (byVersion !== 0) return byVersion;
  const [x, y] = [a, b].map((record) => sha256(new TextEncoder().encode(canonicalJson(record)))) as [Uint8Array, Uint8Array];
  const at = x.findIndex((byte, i) => byte !== y[i]);
  return at === -1 ? 0 : y[at]! - x[at]!;
}
