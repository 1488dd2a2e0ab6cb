/** Whether no string in a parsed JSON value, and no key, holds half of a surrogate pair. With a stack of its own: any depth. */
export function isWellFormed(value: unknown): boolean {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const one = open.pop();
    if (typeof one === 'string' && !one.isWellFormed()) return false;
    if (typeof one !== 'object' || one === null) continue;
    if (Array.isArray(one)) for (const item of one) open.push(item);
    else for (const [key, item] of Object.entries(one)) open.push(key, item);
  }
  return true;
}
