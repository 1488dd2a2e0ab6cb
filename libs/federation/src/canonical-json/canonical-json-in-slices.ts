import { canonicalJson, sortKeys } from './canonical-json.js';
import { CanonicalJsonError } from './canonical-json-error.js';

const MAX_DEPTH = 1_000;
/** Values after which others have a turn. */
const VALUES_AT_ONCE = 10_000;

/** A list or an object that is being written: what of it comes next. */
interface Open {
  readonly value: readonly unknown[] | Readonly<Record<string, unknown>>;
  /** Null for lists. */
  readonly keys: readonly string[] | null;
  next: number;
}

/**
 * The text of `canonicalJson` for a large value, without keeping others waiting.
 *
 * @param pause lets others have a turn; called every few milliseconds of work
 * @throws CanonicalJsonError when the value cannot be written so
 */
export async function canonicalJsonInSlices(value: unknown, pause: () => Promise<void>): Promise<string> {
  const pieces: string[] = [];
  const open: Open[] = [];
  enter(value, pieces, open);
  for (let values = 1; open.length > 0; values++) {
    if (values % VALUES_AT_ONCE === 0) await pause();
    const top = open.at(-1)!;
    const length = top.keys?.length ?? (top.value as readonly unknown[]).length;
    if (top.next === length) {
      pieces.push(top.keys ? '}' : ']');
      open.pop();
      continue;
    }
    if (top.next > 0) pieces.push(',');
    const key = top.keys?.[top.next];
    const child = key === undefined ? (top.value as readonly unknown[])[top.next] : (top.value as Readonly<Record<string, unknown>>)[key];
    if (key !== undefined) pieces.push(canonicalJson(key), ':');
    top.next++;
    enter(child, pieces, open);
  }
  return pieces.join('');
}

function enter(value: unknown, pieces: string[], open: Open[]): void {
  if (typeof value !== 'object' || value === null) {
    pieces.push(canonicalJson(value));
    return;
  }
  if (open.length >= MAX_DEPTH) throw new CanonicalJsonError('nested too deeply');
  const isList = Array.isArray(value);
  const object = value as Readonly<Record<string, unknown>>;
  pieces.push(isList ? '[' : '{');
  open.push({ value: value as Open['value'], keys: isList ? null : sortKeys(Object.keys(object).filter((key) => object[key] !== undefined)), next: 0 });
}
