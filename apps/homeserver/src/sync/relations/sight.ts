/** Positions of a room's timeline that somebody may see: stretches of them, both ends with them, in order; null for all. */
export type Sight = readonly (readonly [lowest: number, highest: number])[] | null;

/** Stretches that are looked at, the newest ones: who came and went more often than that is shown less beside old events. */
export const MAX_STRETCHES = 50;

/** What of a sight is not above a position. */
export function upTo(sight: Sight, highest: number): Sight {
  if (highest === Infinity) return sight;
  return (sight ?? [[-Infinity, Infinity] as const]).flatMap(([from, to]) => (from > highest ? [] : [[from, Math.min(to, highest)] as const]));
}
