/**
 * A list of event types in which `*` stands for any text. Matched without regular expressions: a client may write a
 * hundred asterisks, over which an expression backtracks for ever.
 */
export class TypePatterns {
  readonly #exact = new Set<string>();
  /** The texts between the asterisks, at least two per pattern. */
  readonly #globs: (readonly string[])[] = [];

  constructor(types: readonly string[]) {
    for (const type of types) {
      const parts = type.split('*');
      if (parts.length === 1) this.#exact.add(type);
      else this.#globs.push(parts);
    }
  }

  test(type: string): boolean {
    return this.#exact.has(type) || this.#globs.some((parts) => matches(type, parts));
  }

  /** The list as patterns of SQL's LIKE. */
  toLike(): string[] {
    const escape = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
    return [...[...this.#exact].map(escape), ...this.#globs.map((parts) => parts.map(escape).join('%'))];
  }
}

function matches(text: string, parts: readonly string[]): boolean {
  const first = parts[0]!;
  const last = parts.at(-1)!;
  const end = text.length - last.length;
  if (!text.startsWith(first) || !text.endsWith(last) || end < first.length) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= end;
}
