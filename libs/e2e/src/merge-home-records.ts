import { canonicalJson } from '#canonical-json';
import type { HomeEntry, HomeRecord, LogPlace, RetiredHome } from '#federation';
import type { AccountKey } from './account-key.js';
import { currentAccountKey, HomeChangeError, maxHomes, maxRetired, recordSha256, signRecord } from './home-record.js';
import { compareHomeRecords } from './order-home-records.js';

/** Branches of one log that a cut names at most. */
const maxPlaces = 4;
const maxCutLogs = 20;

/**
 * The record that follows two that were signed apart (protocol §2). Every client that merges the same records gets the
 * same bytes, whichever of them it saw first: nothing in it is of the moment.
 *
 * A home that either dropped stays out, one that either revoked stays revoked, one that either added stays in; what both have
 * stays. Without the record that both were made from only the homes that both name stay: what one of them lacks may
 * have been added by one or dropped by the other. Where one device has signed more since, its last record stands, without what
 * the other one dropped. The account's end wins, and a higher epoch, which is not merged at all.
 *
 * @param base the record whose hash both name in `prev_sha256`, or the lower one where the numbers differ; another one counts as unknown
 * @throws HomeChangeError when the key is not the records' account key, they are of two accounts, or no home would be left: a
 *   person has to say then which one to go on with
 */
export function mergedHomeRecord(a: HomeRecord, b: HomeRecord, base: HomeRecord | undefined, accountKey: AccountKey): HomeRecord {
  const merged = mergedToSign(a, b, base);
  if (isSigned(merged)) return merged;
  if (accountKey.publicKey !== currentAccountKey(merged)) throw new HomeChangeError('not the account key of these records');
  return signRecord(merged, accountKey);
}

/**
 * Whether each of two records was made without the other and this has to be mended: they have one version, or the later one names a home
 * that the other had dropped. Of others it cannot be told: what came between is not known, and a merged record names only one of
 * the two that it was made from.
 *
 * @param base a record of before
 */
export function areSignedApart(a: HomeRecord, b: HomeRecord, base?: HomeRecord): boolean {
  const order = compareHomeRecords(a, b);
  if (a.epoch !== b.epoch || a.deactivated || b.deactivated || order === 0) return false;
  const [high, low] = order > 0 ? [a, b] : [b, a];
  const out = droppedBy(low, base);
  return high.seq === low.seq || high.homes.some(({ key }) => out.has(key));
}

/** Keys of former homes of a record, as far as it tells and the one that it was made from. */
function droppedBy(record: HomeRecord, base: HomeRecord | undefined): Set<string> {
  const before = base && record.prev_sha256 === recordSha256(base) ? base.homes : [];
  const gone = before.filter(({ key }) => !record.homes.some((home) => home.key === key));
  return new Set([...(record.retired ?? []), ...gone].map(({ key }) => key));
}

/**
 * The same for who signs elsewhere (`homeRecordText`): the record without its signature, or one of the two where that stands as it is.
 *
 * @throws HomeChangeError
 */
export function mergedToSign(a: HomeRecord, b: HomeRecord, base: HomeRecord | undefined): HomeRecord | Omit<HomeRecord, 'signature'> {
  if (a.user_id !== b.user_id || canonicalJson(a.genesis) !== canonicalJson(b.genesis)) throw new HomeChangeError('records of two accounts');
  const order = compareHomeRecords(a, b);
  const [high, low] = order >= 0 ? [a, b] : [b, a];
  if (!areSignedApart(high, low, base) || high.prev_sha256 === recordSha256(low)) return high;
  if (high.seq !== low.seq) return withoutDropped(high, low, base);
  const hash = base && recordSha256(base);
  const known = hash !== undefined && high.prev_sha256 === hash && low.prev_sha256 === hash ? base : undefined;
  const homes = mergedHomes(high, low, known);
  if (homes.length === 0) throw new HomeChangeError('the records have no home in common');
  const retired = mergedRetired(high, low, known, homes);
  const cuts = mergedCuts(high.cuts, low.cuts);
  const { signature: _signature, retired: _retired, cuts: _cuts, endorsement: _endorsement, endorsement_terms: _terms, ...rest } = high;
  return {
    ...rest,
    ...endorsementOf(high, low),
    seq: Math.max(high.seq, low.seq) + 1,
    prev_sha256: recordSha256(high),
    master_key: changed(high.master_key, low.master_key, known?.master_key),
    homes,
    ...(retired.length > 0 && { retired }),
    ...(Object.keys(cuts).length > 0 && { cuts }),
  };
}

/** The later record without the homes that the other one dropped, which has not seen the records in between. */
function withoutDropped(high: HomeRecord, low: HomeRecord, base: HomeRecord | undefined): Omit<HomeRecord, 'signature'> {
  const out = droppedBy(low, base);
  const homes = high.homes.filter(({ key }) => !out.has(key));
  if (homes.length === 0) throw new HomeChangeError('the records have no home in common');
  const former = [...(low.retired ?? []), ...(high.retired ?? [])].filter(({ key }) => !homes.some((home) => home.key === key));
  const retired = [...new Map(former.map((home) => [home.key, home])).values()].slice(-maxRetired);
  const cuts = mergedCuts(high.cuts, low.cuts);
  const { signature: _signature, retired: _retired, cuts: _cuts, ...rest } = high;
  return {
    ...rest, seq: high.seq + 1, prev_sha256: recordSha256(high), homes,
    ...(retired.length > 0 && { retired }),
    ...(Object.keys(cuts).length > 0 && { cuts }),
  };
}

export function isSigned(record: HomeRecord | Omit<HomeRecord, 'signature'>): record is HomeRecord {
  return 'signature' in record;
}

/** An endorsement that is final comes before a provisional one: the domain may have been dropped on the strength of it. */
function endorsementOf(high: HomeRecord, low: HomeRecord): Pick<HomeRecord, 'endorsement' | 'endorsement_terms'> {
  const isFinal = (record: HomeRecord): boolean => record.endorsement !== undefined && record.endorsement_terms?.provisional !== true;
  const { endorsement, endorsement_terms } = !isFinal(high) && isFinal(low) ? low : high;
  return { ...(endorsement && { endorsement }), ...(endorsement_terms && { endorsement_terms }) };
}

/** homes = (h1 ∩ h2) ∪ (h1 − base) ∪ (h2 − base), by key, without what either retired; in order of priority, then name. */
function mergedHomes(high: HomeRecord, low: HomeRecord, base: HomeRecord | undefined): HomeEntry[] {
  const former = new Set([high, low, base].flatMap((record) => (record?.retired ?? []).map(({ key }) => key)));
  const kept: HomeEntry[] = [];
  for (const home of [...high.homes, ...low.homes]) {
    const [inHigh, inLow, before] = [high, low, base].map((record) => record?.homes.find((one) => one.key === home.key));
    const stays = inHigh && inLow ? true : base !== undefined && !before;
    const isTaken = kept.some((one) => one.key === home.key || one.server_name === home.server_name);
    if (stays && !isTaken && !former.has(home.key)) kept.push(changed(inHigh, inLow, before) ?? home);
  }
  const byPriority = (x: HomeEntry, y: HomeEntry): number => x.priority - y.priority || (x.server_name < y.server_name ? -1 : 1);
  return kept.sort(byPriority).slice(0, maxHomes);
}

/** Former homes whose doings stand: those that no side has revoked or closed. The oldest first, of more than five the last. */
function mergedRetired(high: HomeRecord, low: HomeRecord, base: HomeRecord | undefined, homes: readonly HomeEntry[]): RetiredHome[] {
  const lists = (record: HomeRecord | undefined): RetiredHome[] => (record ? [...(record.retired ?? []), ...record.homes] : []);
  const [inHigh, inLow, before] = [high, low, base].map((record) => new Set(lists(record).map(({ key }) => key))) as [Set<string>, Set<string>, Set<string>];
  const out = new Map<string, RetiredHome>();
  for (const { server_name, key_id, key } of [...lists(base), ...lists(high), ...lists(low)]) {
    const isRevoked = base === undefined || before.has(key) ? !(inHigh.has(key) && inLow.has(key)) : false;
    if (!isRevoked && !homes.some((home) => home.key === key)) out.set(key, { server_name, key_id, key });
  }
  return [...out.values()].slice(-maxRetired);
}

/** Of several places in one log the union; of more than four branches those with the lowest hashes. */
function mergedCuts(high: HomeRecord['cuts'] = {}, low: HomeRecord['cuts'] = {}): Record<string, LogPlace[]> {
  const logs = [...new Set([...Object.keys(high), ...Object.keys(low)])].sort().slice(0, maxCutLogs);
  return Object.fromEntries(logs.map((log) => {
    const places = new Map([...(high[log] ?? []), ...(low[log] ?? [])].map((place) => [canonicalJson(place), place] as const));
    const sorted = [...places.values()].sort(([n, hash], [m, other]) => (hash === other ? n - m : hash < other ? -1 : 1));
    return [log, sorted.slice(0, maxPlaces)];
  }));
}

/** What one side has changed; the later side's where both have, or where nobody knows. */
function changed<T>(high: T, low: T, base: T | undefined): T {
  if (high === undefined) return low;
  const isUnchanged = base !== undefined && low !== undefined && canonicalJson(high) === canonicalJson(base);
  return isUnchanged ? low : high;
}
