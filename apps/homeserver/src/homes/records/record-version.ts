import { recordHash, type HeardRecords, type HomeRecord } from '#federation';

/** Member of errors that holds the record by which somebody was refused. */
export const RECORD_MEMBER = 'io.partyline.record';
/** Member of transactions, their answers and answers about keys that holds versions by user id. */
export const VERSIONS_MEMBER = 'io.partyline.records';

/**
 * Which record of an account somebody has: epoch, `seq`, hash (protocol §2, "Telling and asking"). A record that ends the account
 * follows all others of its epoch; its version has the highest `seq` there is. Where records were signed apart the hashes of its rivals
 * stand behind.
 */
export type RecordVersion = readonly [epoch: number, seq: number, sha256: string, ...rivals: string[]];

const MAX_RIVALS = 6;

/** Records do not change, and are hashed for each message about them otherwise. */
const hashed = new WeakMap<HomeRecord, RecordVersion>();
const HASH = /^[A-Za-z0-9+/]{43}$/;

export function versionOf(record: HomeRecord): RecordVersion {
  let version = hashed.get(record);
  if (!version) hashed.set(record, (version = [record.epoch, record.deactivated ? Number.MAX_SAFE_INTEGER : record.seq, recordHash(record)]));
  return version;
}

/** With records that were signed apart, if any are known. */
export function versionOfHeard({ record, rivals }: Pick<HeardRecords, 'record' | 'rivals'>): RecordVersion {
  const [epoch, seq, sha256] = versionOf(record);
  return [epoch, seq, sha256, ...rivals.map((rival) => versionOf(rival)[2])];
}

/** What a version stands for as one text. */
export function versionKey([, , ...hashes]: RecordVersion): string {
  return hashes.join(' ');
}

/** Whether somebody who has this version has a record that is not known here: a later one, or one signed apart. */
export function isNews(theirs: RecordVersion, ours: RecordVersion): boolean {
  const order = compareRecordVersions(theirs, ours);
  if (order > 0) return true;
  const [, , ...known] = ours;
  const [, , last, ...rivals] = theirs;
  const isSameSeq = theirs[0] === ours[0] && theirs[1] === ours[1];
  return (isSameSeq && !known.includes(last)) || (order === 0 && rivals.some((rival) => !known.includes(rival)));
}

/** Positive when `a` is the later one; the order of `compareRecords`. */
export function compareRecordVersions(a: RecordVersion, b: RecordVersion): number {
  return a[0] - b[0] || a[1] - b[1] || Buffer.compare(Buffer.from(b[2], 'base64'), Buffer.from(a[2], 'base64'));
}

/** @returns undefined for what is no version */
export function readVersion(value: unknown): RecordVersion | undefined {
  if (!Array.isArray(value) || value.length < 3 || value.length > 3 + MAX_RIVALS) return undefined;
  const [epoch, seq, sha256, ...rivals] = value as unknown[];
  if (!isCount(epoch) || !isCount(seq) || !isHash(sha256)) return undefined;
  return [epoch, seq, sha256, ...rivals.filter(isHash)];
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

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isHash = (value: unknown): value is string => typeof value === 'string' && HASH.test(value);
