/**
 * Levels of lists and objects that may be in one thing of another server: an event, a profile, a key. The parsers of many servers and clients
 * end at 128, and who cannot read one thing cannot read the answer that it is in.
 */
export const MAX_NESTING = 127;

/**
 * Whether a parsed JSON value has more levels of lists and objects than this: a text has none, `{}` has one. With a stack of its own,
 * because parsers take any depth and recursion does not.
 */
export function nestsDeeperThan(value: unknown, levels: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= levels; depth++) {
    const below: unknown[] = [];
    for (const one of level) {
      if (typeof one !== 'object' || one === null) continue;
      for (const child of Array.isArray(one) ? one : Object.values(one)) if (typeof child === 'object' && child !== null) below.push(child);
    }
    if (below.length === 0) return depth === levels && level.some((one) => typeof one === 'object' && one !== null);
    level = below;
  }
  return true;
}
