/** What decides between two writes of one item. */
export interface ItemWrite {
  readonly hash: string;
  readonly log: string;
  readonly home: string;
  readonly ms: number;
  /** JSON text. */
  readonly value: string;
}

/** Positive when `a` is shown before `b`: by the writer's time, home, log, hash (protocol §4). */
export function compareWrites(a: ItemWrite, b: ItemWrite): number {
  if (a.ms !== b.ms) return a.ms - b.ms;
  for (const by of ['home', 'log', 'hash'] as const) if (a[by] !== b[by]) return a[by] > b[by] ? 1 : -1;
  return 0;
}

/** Of the writes of an item the newest of each log, which is what homes keep for good. */
export function newestOfLogs<T extends ItemWrite>(writes: readonly T[], knows: (a: T, b: T) => boolean): T[] {
  return writes.filter((write) => !writes.some((other) => other !== write && other.log === write.log && knows(other, write)));
}

/** Of these the ones that no other knew of: more than one only where homes wrote at the same time. */
export function concurrentWrites<T extends ItemWrite>(newest: readonly T[], knows: (a: T, b: T) => boolean): T[] {
  return newest.filter((write) => !newest.some((other) => other !== write && knows(other, write)));
}

/**
 * The write that an item shows.
 *
 * @param removalWins for kinds where a removal stands against writes that did not know of it (devices)
 */
export function shownWrite<T extends ItemWrite>(concurrent: readonly T[], removalWins = false): T | undefined {
  const removals = removalWins ? concurrent.filter((write) => write.value === 'null') : [];
  const among = removals.length > 0 ? removals : concurrent;
  return among.reduce<T | undefined>((best, write) => (best === undefined || compareWrites(write, best) > 0 ? write : best), undefined);
}
