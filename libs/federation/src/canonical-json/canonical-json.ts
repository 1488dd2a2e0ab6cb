import { CanonicalJsonError } from './canonical-json-error.js';

/** The specification has no limit, but without one a text of opening brackets would overflow the stack. Events have a lower one. */
const MAX_DEPTH = 1_000;
/** UTF-16 order and code point order differ only among units from here on. */
const FIRST_SURROGATE = 0xd800;

/**
 * Canonical JSON (appendices, §Canonical JSON): shortest form, keys sorted by code point, integers in ±(2^53 - 1).
 * Members that are `undefined` are skipped, -0 is written as 0.
 *
 * @param maxDepth levels of lists and objects
 * @throws CanonicalJsonError when the value cannot be written so.
 */
export function canonicalJson(value: unknown, maxDepth = MAX_DEPTH): string {
  return encode(value, MAX_DEPTH - maxDepth);
}

/** Text for a whole object of which `skip` names members to leave out, without copying it first. */
export function canonicalJsonWithout(object: object, skip: ReadonlySet<string>): string {
  return encodeObject(object as Record<string, unknown>, 0, skip);
}

/**
 * Sorts keys by code point, in place; cheap when they already are sorted. The built-in order, by UTF-16 unit, is the same
 * unless a surrogate meets a unit above the surrogates.
 */
export function sortKeys(keys: string[]): string[] {
  let sorted = true;
  let plain = true;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (i > 0 && sorted && keys[i - 1]! > key) sorted = false;
    if (plain && hasHighUnit(key)) plain = false;
  }
  if (!plain) return keys.sort(byCodePoint);
  return sorted ? keys : keys.sort();
}

function encode(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string': return encodeString(value);
    case 'number':
      if (!Number.isSafeInteger(value)) throw new CanonicalJsonError(`${value} is not an integer within 2^53 - 1`);
      return `${value}`; // -0 becomes "0" here
    case 'boolean': return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (depth >= MAX_DEPTH) throw new CanonicalJsonError('nested too deeply');
      return Array.isArray(value) ? encodeArray(value, depth) : encodeObject(value as Record<string, unknown>, depth);
    default: throw new CanonicalJsonError(`a ${typeof value} is not JSON`);
  }
}

function encodeArray(array: readonly unknown[], depth: number): string {
  if (array.length === 0) return '[]';
  let text = '[' + encode(array[0], depth + 1);
  for (let i = 1; i < array.length; i++) text += ',' + encode(array[i], depth + 1);
  return text + ']';
}

function encodeObject(object: Record<string, unknown>, depth: number, skip?: ReadonlySet<string>): string {
  let text = '';
  for (const key of sortKeys(Object.keys(object))) {
    const value = object[key];
    if (value === undefined || skip?.has(key)) continue;
    text += (text === '' ? '{' : ',') + encodeString(key) + ':' + encode(value, depth + 1);
  }
  return text === '' ? '{}' : text + '}';
}

// JSON.stringify escapes exactly what the grammar asks for, except that it writes lone surrogates as \udxxx, which no
// UTF-8 text can hold.
function encodeString(text: string): string {
  if (!text.isWellFormed()) throw new CanonicalJsonError('a string holds a lone surrogate');
  return JSON.stringify(text);
}

function hasHighUnit(key: string): boolean {
  for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) >= FIRST_SURROGATE) return true;
  return false;
}

function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // A surrogate stands for a code point above every single unit; of two, the greater unit is the greater one.
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1;
  }
  return a.length - b.length;
}
