import { firstHomeRecord, mergedHomeRecord, nextHomeRecord, signRecord, type AccountKey, type HomeChange } from '#e2e';
import type { HomeEntry, HomeGenesis, HomeRecord } from '#federation';
import { keyOf } from './keys.ts';

export const domain = (name: string): string => `${name}.example`;
export const user = (name: string): string => `@${name}:${name}.example`;
export const short = (id: string): string => id.replace(/^@/, '').split(':')[0]!;

const accountKeyOf = (name: string): AccountKey => ({ ...keyOf(`account of ${name}`), seed: new Uint8Array(32), publicKey: keyOf(`account of ${name}`).publicKey });

export function genesisOf(name: string): HomeGenesis {
  return { label: name, server_name: domain(name), recovery_key: keyOf(`recovery of ${name}`).publicKey, account_key: keyOf(`account of ${name}`).publicKey, created_ts: 0 };
}

/** The `n`th key that a server made for an account: whoever was dropped comes back with another. */
export function entryOf(name: string, server: string, n: number): HomeEntry {
  return { server_name: domain(server), key_id: 'ed25519:1', key: keyOf(`${name} at ${server} ${n}`).publicKey, priority: n };
}

const made = new Map<string, HomeRecord>();

/** One object per record, so that what was read and verified of it is remembered over all histories. */
function same(record: HomeRecord): HomeRecord {
  const known = made.get(record.signature);
  if (known) return known;
  if (made.size > 50_000) made.clear();
  made.set(record.signature, record);
  return record;
}

export function firstRecord(name: string, servers: readonly string[]): HomeRecord {
  return same(firstHomeRecord({ userId: user(name), genesis: genesisOf(name), homes: servers.map((server) => entryOf(name, server, 0)) }, accountKeyOf(name)));
}

export function nextRecord(name: string, current: HomeRecord, change: HomeChange): HomeRecord {
  return same(nextHomeRecord(current, change, accountKeyOf(name)));
}

/** A record in the same place of the order that names nobody. */
export function homelessRecord(name: string, record: HomeRecord): HomeRecord {
  const { signature: _signature, retired: _retired, cuts: _cuts, ...rest } = record;
  return same(signRecord({ ...rest, homes: [] }, accountKeyOf(name)));
}

export function mergedRecord(name: string, a: HomeRecord, b: HomeRecord, base: HomeRecord | undefined): HomeRecord {
  return same(mergedHomeRecord(a, b, base, accountKeyOf(name)));
}
