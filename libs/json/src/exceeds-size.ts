/**
 * Whether the text of a parsed JSON value is longer than about so many characters. Looks at no more of it than that, so that a large value is
 * as cheap as a small one.
 */
export function exceedsSize(value: unknown, characters: number): boolean {
  const open: unknown[] = [value];
  for (let left = characters; open.length > 0; ) {
    const one = open.pop();
    left -= typeof one === 'string' ? one.length + 3 : 2;
    if (left < 0) return true;
    if (typeof one !== 'object' || one === null) continue;
    if (Array.isArray(one)) {
      if (one.length * 2 > left) return true;
      for (const item of one) open.push(item);
    } else {
      for (const key in one) {
        open.push(key, (one as Record<string, unknown>)[key]);
        if (open.length > left) return true;
      }
    }
  }
  return false;
}
