import { isWellFormed } from './is-well-formed.js';
import { readJson } from './read-json.js';
import { scanEscapes } from './scan-escapes.js';

/** A string holds half of a surrogate pair. */
export class LoneSurrogateError extends SyntaxError {}

/**
 * Parses JSON that comes from outside: as `JSON.parse`, in all but two respects.
 *
 * The engine (V8 of Node 24 and 26, nodejs/node#63785) reads a key that is written with an escape as another key, when an object with
 * such a key was parsed before: anyone could change what others are read to have said. Where a key holds a backslash the text is read
 * here. And a string with half of a surrogate pair is refused: no UTF-8 text can hold it, and strict parsers refuse all that it is in.
 *
 * @throws SyntaxError; LoneSurrogateError
 */
export function parseJson(text: string): unknown {
  const first = text.indexOf('\\');
  if (first === -1) return JSON.parse(text);
  const { inKeys, loneSurrogates } = scanEscapes(text, first);
  if (loneSurrogates.length > 0) throw new LoneSurrogateError('A string holds a lone surrogate');
  return inKeys ? readJson(text) : JSON.parse(text);
}

/**
 * The same for an object whose lists hold parts of many authors, as a transaction does: a part with a lone surrogate is null, so that it
 * does not keep the others away.
 *
 * @throws SyntaxError; LoneSurrogateError for one elsewhere
 */
export function parseJsonOfParts(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof LoneSurrogateError)) throw error;
    return wellFormedParts(readJson(text), error);
  }
}

/** The value of `parseJsonOfParts`. @throws `error` where more than parts of lists is not well-formed */
export function wellFormedParts(value: unknown, error: LoneSurrogateError): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw error;
  const parts = Object.entries(value).map(([key, member]) => [key, Array.isArray(member) ? member.map((part) => (isWellFormed(part) ? part : null)) : member]);
  if (!isWellFormed(parts)) throw error;
  return Object.fromEntries(parts);
}

/**
 * The same for JSON that is stored, here or in the log of an account: lone surrogates that were let in once come out as U+FFFD.
 *
 * @throws SyntaxError
 */
export function parseStoredJson(text: string): unknown {
  const first = text.indexOf('\\');
  if (first === -1) return JSON.parse(text);
  const { inKeys, loneSurrogates } = scanEscapes(text, first);
  const good = loneSurrogates.length === 0 ? text : wellFormedJson(text);
  return inKeys ? readJson(good) : JSON.parse(good);
}

/** JSON text with U+FFFD in the place of each lone surrogate. */
export function wellFormedJson(text: string): string {
  const first = text.indexOf('\\');
  const places = first === -1 ? [] : scanEscapes(text, first).loneSurrogates;
  let clean = '';
  let from = 0;
  for (const place of places) {
    clean += text.slice(from, place) + String.raw`\ufffd`;
    from = place + 6;
  }
  return from === 0 ? text : clean + text.slice(from);
}
