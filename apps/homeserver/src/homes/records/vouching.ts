import type { HomeEntry, HomeRecord } from '#federation';

/**
 * Servers whose word does not confirm a record (protocol §2, "Telling and asking"): the one that brought it, and homes that one of
 * the records known has dropped. They may be after the account together.
 *
 * @param inForce the homes that are believed
 * @param records the record, one signed apart from it, the one known before
 * @param from the server that brought it, `client`, or undefined for a room
 */
export function discountedBy(inForce: readonly HomeEntry[], records: readonly (HomeRecord | null | undefined)[], from: string | undefined): string[] {
  const homes = new Set(inForce.map((home) => home.server_name));
  const former = records.flatMap((record) => (record ? [...(record.retired ?? []), ...record.homes] : [])).map((home) => home.server_name);
  const dropped = former.filter((name) => !homes.has(name));
  return [...new Set([...dropped, ...(from === undefined || from === 'client' ? [] : [from])])];
}

/**
 * Whether others than one single home of the record stood by it: all who could be asked, two, or one that is no home of it. One
 * home of several may be the dropped one that hands out an old record.
 *
 * @param asked servers that could be asked
 * @param answered those that have shown a record of the account, and so had looked, among others
 */
export function isVouched(
  record: HomeRecord, asked: readonly string[], answered: ReadonlySet<string>, discounted: readonly string[],
): boolean {
  if (asked.every((server) => answered.has(server))) return true;
  const voices = asked.filter((server) => answered.has(server) && !discounted.includes(server));
  return voices.length >= 2 || voices.some((server) => !record.homes.some((home) => home.server_name === server));
}
