import { canonicalJson } from '../canonical-json/index.js';
import { sha256, unpaddedBase64 } from '../signing/index.js';

/** Buckets of a digest. */
export const DIGEST_BUCKETS = 256;

/** The bucket of an item: the first byte of the hash of kind and key. */
export function bucketOf(kind: string, key: string): number {
  return sha256(canonicalJson([kind, key]))[0]!;
}

/** The hash of a bucket from the hashes of the operations that its items keep, in any order; empty for none. */
export function bucketHash(hashes: readonly string[]): string {
  return hashes.length === 0 ? '' : unpaddedBase64(sha256([...hashes].sort().join('\n')));
}

/** One hash of all buckets. */
export function digestRoot(buckets: readonly string[]): string {
  return unpaddedBase64(sha256(buckets.join('\n')));
}
