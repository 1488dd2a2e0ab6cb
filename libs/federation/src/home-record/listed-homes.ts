import { compareRecords } from './compare-records.js';
import type { HomeEntry, HomeRecord, RetiredHome } from './home-record.js';

/** A home as its key makes it: a server that comes back with another key is another one. */
export type HomeKey = Pick<RetiredHome, 'server_name' | 'key'>;

/** The entry of a server that may act now. */
export function homeIn(record: HomeRecord | undefined, serverName: unknown): HomeEntry | undefined {
  return record?.homes.find((home) => home.server_name === serverName);
}

/** Whether what this home did counts by the record: it is a home, or has retired. A key in neither list is revoked. */
export function isListed(record: HomeRecord, home: HomeKey): boolean {
  return [...record.homes, ...(record.retired ?? [])].some((one) => one.key === home.key && one.server_name === home.server_name);
}

/**
 * The homes of an account of which a server knows several records that were signed apart, none made from another (protocol
 * §2): those that all of them name, with the same key. So a home that either dropped is none, until a client merges them.
 * Records of a lower epoch than another one's do not count: whoever raised the epoch meant to end them.
 *
 * @param records of one genesis; one is enough
 * @returns entries of the last of the records, in its order
 */
export function effectiveHomes(records: readonly HomeRecord[]): HomeEntry[] {
  const epoch = Math.max(...records.map((record) => record.epoch));
  const current = records.filter((record) => record.epoch === epoch).sort((a, b) => compareRecords(b, a));
  const [last, ...others] = current;
  if (!last) return [];
  return last.homes.filter((home) => others.every((other) => other.homes.some((one) => one.key === home.key && one.server_name === home.server_name)));
}
