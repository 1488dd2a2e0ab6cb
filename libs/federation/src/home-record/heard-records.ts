import { compareRecords, isSameGenesis } from './compare-records.js';
import type { HomeEntry, HomeRecord } from './home-record.js';

/** Home keys that are remembered of one account and epoch. */
const MAX_KEYS = 50;

/** By home key: the lowest `seq` of a record heard that names it, and whether one that came after that does not. */
export type HeardKeys = Readonly<Record<string, readonly [since: number, isDropped: boolean]>>;

/**
 * What a server has heard of an account's records (protocol §2, "Two records signed apart"). The record is the last one by
 * `compareRecords`. The rival is another one of its epoch that was not among what it was made from: it has the same `seq`, or has dropped
 * a home that the record names. It restricts who is believed, and is what others are told, so that they do the same.
 */
export interface HeardRecords {
  readonly record: HomeRecord;
  readonly rival: HomeRecord | null;
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
  if (!heard || next.epoch > heard.record.epoch || !isSameGenesis(heard.record, next)) return { record: next, rival: null, keys: keysAfter({}, [next]) };
  if (next.epoch < heard.record.epoch) return heard;
  const all = [next, heard.record, ...(heard.rival ? [heard.rival] : [])].sort((a, b) => compareRecords(b, a));
  const [record, ...others] = all as [HomeRecord, ...HomeRecord[]];
  const keys = keysAfter(heard.keys, all);
  const rival = others.find((other) => isRival(other, record, keys)) ?? null;
  const isSame = record === heard.record && rival === heard.rival && JSON.stringify(keys) === JSON.stringify(heard.keys);
  return isSame ? heard : { record, rival, keys };
}

/** The homes that are believed: those of the record that no record heard has dropped, and that a rival of its `seq` names, too. */
export function homesInForce({ record, rival, keys }: HeardRecords): HomeEntry[] {
  return record.homes.filter((home) => !keys[home.key]?.[1] && (rival?.seq !== record.seq || names(rival, home)));
}

function isRival(other: HomeRecord, record: HomeRecord, keys: HeardKeys): boolean {
  if (record.deactivated || compareRecords(other, record) === 0) return false;
  return other.seq === record.seq || record.homes.some((home) => keys[home.key]?.[1] === true && !names(other, home));
}

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
