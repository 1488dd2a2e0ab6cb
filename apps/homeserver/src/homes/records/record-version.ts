import { recordHash, type HomeRecord } from '#federation';

/** Member of errors that holds the record by which somebody was refused. */
export const RECORD_MEMBER = 'io.partyline.record';
/** Member of transactions, their answers and answers about keys that holds versions by user id. */
export const VERSIONS_MEMBER = 'io.partyline.records';

/**
 * Which record of an account somebody has: epoch, `seq`, hash (protocol §2, "Telling and asking"). A record that ends the account
 * follows all others of its epoch; its version has the highest `seq` there is.
 */
export type RecordVersion = readonly [epoch: number, seq: number, sha256: string];

/** Records do not change, and are hashed for each message about them otherwise. */
const hashed = new WeakMap<HomeRecord, RecordVersion>();
const HASH = /^[A-Za-z0-9+/]{43}$/;

export function versionOf(record: HomeRecord): RecordVersion {
  let version = hashed.get(record);
  if (!version) hashed.set(record, (version = [record.epoch, record.deactivated ? Number.MAX_SAFE_INTEGER : record.seq, recordHash(record)]));
  return version;
}

/** Positive when `a` is the later one; the order of `compareRecords`. */
export function compareRecordVersions(a: RecordVersion, b: RecordVersion): number {
  return a[0] - b[0] || a[1] - b[1] || Buffer.compare(Buffer.from(b[2], 'base64'), Buffer.from(a[2], 'base64'));
}

/** @returns undefined for what is no version */
export function readVersion(value: unknown): RecordVersion | undefined {
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const [epoch, seq, sha256] = value as unknown[];
  const isGood = isCount(epoch) && isCount(seq) && typeof sha256 === 'string' && HASH.test(sha256);
  return isGood ? [epoch as number, seq as number, sha256] : undefined;
}

/** Versions by user id, as they stand in requests and answers; what is none is left out, and what is over the limit. */
export function readVersions(value: unknown, limit: number): Map<string, RecordVersion> {
  const versions = new Map<string, RecordVersion>();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return versions;
  for (const [userId, one] of Object.entries(value).slice(0, limit)) {
    const version = readVersion(one);
    if (version) versions.set(userId, version);
  }
  return versions;
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
