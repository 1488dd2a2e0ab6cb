import { parseJson } from '#json';
import { CanonicalJsonError } from './canonical-json-error.js';
import type { JsonValue } from '../events/pdu.js';

/**
 * Parses JSON whose numbers must be safe integers, as in event contents and signed objects. White space and key order
 * are free; the result always has a canonical form, except for lone surrogates and excessive depth.
 *
 * @throws CanonicalJsonError on syntax errors, floats and integers beyond ±(2^53 - 1).
 */
export function parseCanonicalJson(text: string): JsonValue {
  let value: JsonValue;
  try {
    value = parseJson(text) as JsonValue;
  } catch (error) {
    throw new CanonicalJsonError(error instanceof Error ? error.message : 'not JSON');
  }
  requireIntegers(value);
  return value;
}

// A stack of its own, because the parser takes any depth and recursion does not.
function requireIntegers(root: JsonValue): void {
  const open: JsonValue[] = [root];
  while (open.length > 0) {
    const value = open.pop()!;
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) throw new CanonicalJsonError(`${value} is not an integer within 2^53 - 1`);
    } else if (typeof value === 'object' && value !== null) {
      for (const child of Array.isArray(value) ? value : Object.values(value)) {
        if (typeof child === 'number' || typeof child === 'object') open.push(child);
      }
    }
  }
}
