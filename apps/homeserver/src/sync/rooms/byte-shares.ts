/**
 * The largest share of a number of bytes such that, when each gets what it wants and at most the share, all fit.
 *
 * @param wanted bytes that each wants
 * @returns Infinity when everybody gets all that he wants
 */
export function byteShare(wanted: readonly number[], max: number): number {
  if (wanted.reduce((sum, bytes) => sum + bytes, 0) <= max) return Infinity;
  let left = max;
  const rising = wanted.toSorted((a, b) => a - b);
  for (const [i, bytes] of rising.entries()) {
    const share = Math.floor(left / (rising.length - i));
    if (bytes > share) return share;
    left -= bytes;
  }
  return Infinity;
}

/** How many of these sizes, from the first on, have a place in so many bytes. */
export function fittingCount(sizes: Iterable<number>, max: number): number {
  let count = 0;
  let sum = 0;
  for (const bytes of sizes) {
    sum += bytes;
    if (sum > max) return count;
    count++;
  }
  return count;
}
