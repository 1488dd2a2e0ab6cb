/** So many letters may be wrong, missing or too many. */
const MAX_DISTANCE = 4;

/** The name that somebody probably meant who wrote another one; undefined when none is near. */
export function nearest(written: string, names: readonly string[]): string | undefined {
  const [best] = names.map((name) => ({ name, distance: distance(written, name) })).sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= MAX_DISTANCE ? best.name : undefined;
}

/** Levenshtein's: how many letters have to be changed, added or taken away. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
