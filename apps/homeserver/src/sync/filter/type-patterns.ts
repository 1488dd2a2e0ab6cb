import { matchesGlob } from '#federation';

/** A list of event types in which `*` stands for any text. */
export class TypePatterns {
  readonly #exact = new Set<string>();
  readonly #globs: string[] = [];

  constructor(types: readonly string[]) {
    for (const type of types) {
      if (type.includes('*')) this.#globs.push(type);
      else this.#exact.add(type);
    }
  }

  test(type: string): boolean {
    return this.#exact.has(type) || this.#globs.some((glob) => matchesGlob(type, glob, false));
  }

  /** The list as patterns of SQL's LIKE. */
  toLike(): string[] {
    return [...this.#exact, ...this.#globs].map((type) => type.replace(/[\\%_]/g, '\\$&').replaceAll('*', '%'));
  }
}
