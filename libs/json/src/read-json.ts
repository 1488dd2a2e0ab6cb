const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** Up to what ends or escapes a string, or may not be in one. */
const PLAIN = /[ !#-[\]-\uffff]*/y;
const LITERALS: readonly (readonly [text: string, value: unknown])[] = [['true', true], ['false', false], ['null', null]];

export type Container = unknown[] | Record<string, unknown>;

/**
 * A JSON parser as the grammar says (RFC 8259), with the results of `JSON.parse`: of members with one key the last counts, `__proto__` is
 * a key as any. It calls the engine's parser only for single strings. Any depth, since it does not recurse.
 *
 * @throws SyntaxError
 */
export function readJson(text: string): unknown {
  const reader = new JsonReader(text);
  const root = reader.value();
  const open: Container[] = [];
  if (reader.opened) open.push(root as Container);
  while (open.length > 0) {
    const container = open.at(-1)!;
    const child = Array.isArray(container) ? reader.element(container) : reader.member(container);
    if (child === undefined) open.pop();
    else if (child !== null) open.push(child);
  }
  reader.end();
  return root;
}

/** Reads piece by piece; of lists and objects only the beginning, so that the caller keeps the stack. */
export class JsonReader {
  /** Whether the last value was the beginning of a list or an object. */
  opened = false;
  #at = 0;
  /** Whether nothing of the innermost container was read yet. */
  #isFirst = false;

  constructor(private readonly text: string) {}

  end(): void {
    this.#space();
    if (this.#at < this.text.length) this.#fail();
  }

  /** A whole string, number or literal, or an empty list or object to be filled. */
  value(): unknown {
    this.#space();
    const unit = this.text.charCodeAt(this.#at);
    this.opened = unit === 0x7b || unit === 0x5b;
    if (this.opened) {
      this.#at++;
      this.#isFirst = true;
      return unit === 0x7b ? {} : [];
    }
    if (unit === 0x22) return this.#string();
    for (const [literal, value] of LITERALS) {
      if (!this.text.startsWith(literal, this.#at)) continue;
      this.#at += literal.length;
      return value;
    }
    return Number(this.#match(NUMBER) || this.#fail());
  }

  /** Reads the next value of a list. @returns what is to be read before it goes on; null for nothing; undefined at its end */
  element(list: unknown[]): Container | null | undefined {
    if (!this.#goesOn(0x5d)) return undefined;
    const value = this.value();
    list.push(value);
    return this.opened ? (value as Container) : null;
  }

  /** The same of an object. */
  member(object: Record<string, unknown>): Container | null | undefined {
    if (!this.#goesOn(0x7d)) return undefined;
    this.#space();
    if (this.text.charCodeAt(this.#at) !== 0x22) this.#fail();
    const key = this.#string();
    this.#space();
    this.#take(0x3a);
    const value = this.value();
    if (key === '__proto__') Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
    else object[key] = value;
    return this.opened ? (value as Container) : null;
  }

  /** Passes over the comma, or the end. */
  #goesOn(end: number): boolean {
    this.#space();
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (this.text.charCodeAt(this.#at) === end) {
      this.#at++;
      return false;
    }
    if (!isFirst) this.#take(0x2c);
    return true;
  }

  #string(): string {
    const start = this.#at++;
    let isPlain = true;
    for (;;) {
      PLAIN.lastIndex = this.#at;
      PLAIN.test(this.text);
      this.#at = PLAIN.lastIndex;
      const unit = this.text.charCodeAt(this.#at);
      if (unit === 0x22) break;
      if (unit !== 0x5c) this.#fail();
      isPlain = false;
      this.#at += 2;
    }
    this.#at++;
    return isPlain ? this.text.slice(start + 1, this.#at - 1) : (JSON.parse(this.text.slice(start, this.#at)) as string);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #space(): void {
    for (let unit = this.text.charCodeAt(this.#at); unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09; ) unit = this.text.charCodeAt(++this.#at);
  }

  #take(unit: number): void {
    if (this.text.charCodeAt(this.#at) !== unit) this.#fail();
    this.#at++;
  }

  #fail(): never {
    throw new SyntaxError(this.#at < this.text.length ? `Unexpected character in JSON at position ${this.#at}` : 'Unexpected end of JSON');
  }
}
