import { compareRecords, isSameGenesis } from './compare-records.js';
import type { HomeEntry, HomeRecord } from './home-record.js';

/** Home keys that are remembered of one account and epoch. */
const MAX_KEYS = 50;
/** One for each of five homes, and one of the same number. */
const MAX_RIVALS = 6;

/** By home key: the lowest `seq` of a record heard that names it, and whether one that came after that does not. */
export type HeardKeys = Readonly<Record<string, readonly [since: number, isDropped: boolean]>>;

/**
 * What a server has heard of an account's records (protocol §2, "Records signed apart"). The record is the last one by
 * `compareRecords`. Rivals are others of its epoch that it was not made from: they have the same `seq`, or have dropped a home that the
 * record names. They restrict who is believed, and are what others are told, so that they do the same; the last ones come first.
 */
export interface HeardRecords {
  readonly record: HomeRecord;
  readonly rivals: readonly HomeRecord[];
  readonly keys: HeardKeys;
}

/**
 * After one more record of the account was heard, in whatever order they come. A key that was dropped does not come back within
 * its epoch: a home is its key, and one that is asked again makes another. So a record that names it all the same was made without
 * the one that dropped it, however many records lie between.
 *
 * @returns the same object when the record changes nothing
 */
export function hearRecord(heard: HeardRecords | undefined, next: HomeRecord): HeardRecords {
  if (!heard || next.epoch > heard.record.epoch || !isSameGenesis(heard.record, next)) return { record: next, rivals: [], keys: keysAfter({}, [next]) };
  if (next.epoch < heard.record.epoch) return heard;
  const known = [heard.record, ...heard.rivals];
  const isNew = known.every((one) => compareRecords(one, next) !== 0);
  const all = (isNew ? [...known, next] : known).sort((a, b) => compareRecords(b, a));
  const [record, ...others] = all as [HomeRecord, ...HomeRecord[]];
  const keys = keysAfter(heard.keys, [...all, next]);
  const rivals = rivalsOf(record, others, keys);
  const isSame = record === heard.record && isSameList(rivals, heard.rivals) && JSON.stringify(keys) === JSON.stringify(heard.keys);
  return isSame ? heard : { record, rivals: isSameList(rivals, heard.rivals) ? heard.rivals : rivals, keys };
}

/** The homes that are believed: those of the record that no record heard has dropped, and that rivals of its `seq` name, too. */
export function homesInForce({ record, rivals, keys }: HeardRecords): HomeEntry[] {
  const twins = rivals.filter((rival) => rival.seq === record.seq);
  return record.homes.filter((home) => !keys[home.key]?.[1] && twins.every((twin) => names(twin, home)));
}

/** Of the same `seq` all; of others one for each home of the record that was dropped, the last one that shows it. */
function rivalsOf(record: HomeRecord, others: readonly HomeRecord[], keys: HeardKeys): HomeRecord[] {
  if (record.deactivated) return [];
  const open = new Set(record.homes.flatMap(({ key }) => (keys[key]?.[1] ? [key] : [])));
  const found = others.filter((other) => {
    const dropped = [...open].filter((key) => drops(other, key, keys));
    for (const key of dropped) open.delete(key);
    return other.seq === record.seq || dropped.length > 0;
  });
  return found.slice(0, MAX_RIVALS);
}

function drops(record: HomeRecord, key: string, keys: HeardKeys): boolean {
  if (record.retired?.some((home) => home.key === key)) return true;
  return record.seq > (keys[key]?.[0] ?? record.seq) && !record.homes.some((home) => home.key === key);
}

const isSameList = (a: readonly HomeRecord[], b: readonly HomeRecord[]): boolean => a.length === b.length && a.every((one, i) => one === b[i]);

function names(record: HomeRecord, { key, server_name: server }: Pick<HomeEntry, 'key' | 'server_name'>): boolean {
  return record.homes.some((home) => home.key === key && home.server_name === server);
}

function keysAfter(before: HeardKeys, records: readonly HomeRecord[]): HeardKeys {
  const keys = new Map(Object.entries(before));
  for (const { homes, retired = [], seq } of records) {
    for (const { key } of homes) keys.set(key, [Math.min(seq, keys.get(key)?.[0] ?? seq), keys.get(key)?.[1] ?? false]);
    for (const { key } of retired) keys.set(key, [keys.get(key)?.[0] ?? seq, true]);
  }
  for (const record of records) {
    // Those of version 1 name no record before them; there a key could come back.
    if (record.deactivated || (record.prev_sha256 === undefined && record.seq > 0)) continue;
    for (const [key, [since]] of keys) {
      if (since < record.seq && !record.homes.some((home) => home.key === key)) keys.set(key, [since, true]);
    }
  }
  const named = new Set(records.flatMap(({ homes }) => homes.map((home) => home.key)));
  const byWorth = [...keys].sort(([a, [x]], [b, [y]]) => Number(named.has(b)) - Number(named.has(a)) || y - x || (a < b ? -1 : 1));
  return Object.fromEntries(byWorth.slice(0, MAX_KEYS).sort(([a], [b]) => (a < b ? -1 : 1)));
}
