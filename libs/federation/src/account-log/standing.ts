import type { HomeRecord, LogPlace } from '../home-record/index.js';
import { isLogOf } from './log-name.js';

/** How far a record lets a log count, before what anybody holds of it. */
export interface LogStanding {
  /** `open`: all of it; `cut`: what leads to `places`; `closing`: that, and what homes in force say that they hold. */
  readonly as: 'open' | 'cut' | 'closing';
  readonly places: readonly LogPlace[];
}

/** The home that signs a log, of those that the record names and the retired ones; undefined for others, which are revoked. */
export function homeOfLog(record: HomeRecord, log: string): { readonly server_name: string; readonly key: string } | undefined {
  return [...record.homes, ...(record.retired ?? [])].find(({ key }) => isLogOf(log, record.user_id, key));
}

/** Its public key. */
export function keyOfLog(record: HomeRecord, log: string): string | undefined {
  return homeOfLog(record, log)?.key;
}

/** Protocol §4, "Former homes: a cut". */
export function standingOf(record: HomeRecord, log: string): LogStanding {
  const cut = record.cuts?.[log];
  const places = cut ?? [];
  const has = (homes: readonly { key: string }[]): boolean => homes.some(({ key }) => isLogOf(log, record.user_id, key));
  if (has(record.homes)) return { as: cut ? 'cut' : 'open', places };
  return { as: has(record.retired ?? []) ? 'closing' : 'cut', places };
}
