import { LOG_PREFIX_CHARACTERS } from './log-name.js';

/** Logs of one key; a home begins a new one when it lost its memory. Of more, those with the lowest names count, and nobody keeps others. */
export const MAX_LOGS_OF_KEY = 32;

/** Whether among the logs that are held so many lower ones are of the same key that this one never counts. */
export function isSurplus(log: string, held: Iterable<string>): boolean {
  const prefix = log.slice(0, LOG_PREFIX_CHARACTERS);
  let lower = 0;
  for (const other of held) if (other < log && other.startsWith(prefix)) lower++;
  return lower >= MAX_LOGS_OF_KEY;
}

/** Of names of logs those that never count, because their keys have so many lower ones. */
export function surplusLogs(names: Iterable<string>): Set<string> {
  const counts = new Map<string, number>();
  const surplus = new Set<string>();
  for (const log of [...new Set(names)].sort()) {
    const prefix = log.slice(0, LOG_PREFIX_CHARACTERS);
    const count = (counts.get(prefix) ?? 0) + 1;
    counts.set(prefix, count);
    if (count > MAX_LOGS_OF_KEY) surplus.add(log);
  }
  return surplus;
}
