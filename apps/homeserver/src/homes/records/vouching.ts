import type { HomeRecord } from '#federation';

/**
 * Servers whose word does not confirm a record (protocol §2, "Telling and asking"): the one that brought it, and homes that it or
 * the one known before dropped. They may be after the account together.
 *
 * @param from the server that brought it, `client`, or undefined for a room
 */
export function discountedBy(record: HomeRecord, previous: HomeRecord | undefined, from: string | undefined): string[] {
  const homes = new Set(record.homes.map((home) => home.server_name));
  const former = [...(record.retired ?? []), ...(previous?.retired ?? []), ...(previous?.homes ?? [])].map((home) => home.server_name);
  const dropped = former.filter((name) => !homes.has(name));
  return [...new Set([...dropped, ...(from === undefined || from === 'client' ? [] : [from])])];
}

/**
 * Whether others than one single home of the record stood by it: all who could be asked, two, or one that is no home of it. One
 * home of several may be the dropped one that hands out an old record.
 *
 * @param asked servers that could be asked
 * @param answered those that knew of nothing higher, among others
 */
export function isVouched(
  record: HomeRecord, asked: readonly string[], answered: ReadonlySet<string>, discounted: readonly string[],
): boolean {
  if (asked.every((server) => answered.has(server))) return true;
  const voices = asked.filter((server) => answered.has(server) && !discounted.includes(server));
  return voices.length >= 2 || voices.some((server) => !record.homes.some((home) => home.server_name === server));
}
