/**
 * The parts of a dot-separated property path (appendices): `content.m\.relates_to` is `content`, `m.relates_to`. A backslash
 * before anything but a dot or a backslash stands for itself.
 */
export function parsePropertyPath(path: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let i = 0; i < path.length; i++) {
    const next = path[i + 1];
    if (path[i] === '\\' && (next === '.' || next === '\\')) {
      part += next;
      i++;
    } else if (path[i] === '.') {
      parts.push(part);
      part = '';
    } else {
      part += path[i];
    }
  }
  return [...parts, part];
}

/** The value at a path of a JSON object; undefined when it is absent. */
export function propertyAt(object: object, path: readonly string[]): unknown {
  let value: unknown = object;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}
