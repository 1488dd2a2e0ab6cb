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
