const QUOTE = 34;
const COMMA = 44;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/**
 * Calls `visit` with the raw text of each top-level member of an object in canonical JSON, without parsing the values.
 * Raw keys equal the real ones for every key without escapes, hence for all that Matrix defines.
 *
 * The text must be canonical JSON of ours, so there is no white space and no syntax error to look for.
 */
export function scanMembers(json: string, visit: (key: string, value: string) => void): void {
  let at = 1;
  while (json.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfString(json, at);
    const valueEnd = endOfValue(json, keyEnd + 1);
    visit(json.slice(at + 1, keyEnd - 1), json.slice(keyEnd + 1, valueEnd));
    at = valueEnd + 1;
  }
}

/** Index behind the closing quote of the string that starts at `start`. */
function endOfString(json: string, start: number): number {
  let quote = json.indexOf('"', start + 1);
  for (;;) {
    if (quote === -1) throw new SyntaxError('unterminated string in stored JSON');
    // A quote is escaped when an odd number of backslashes stands before it: \\" ends the string, \" does not.
    let first = quote;
    while (json.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((quote - first) % 2 === 0) return quote + 1;
    quote = json.indexOf('"', quote + 1);
  }
}

/** Index behind the value that starts at `start`. */
function endOfValue(json: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    const unit = json.charCodeAt(at);
    if (unit === QUOTE) {
      at = endOfString(json, at);
      if (depth === 0) return at;
      continue;
    }
    if (unit === OPEN_BRACE || unit === OPEN_BRACKET) depth++;
    else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) {
      if (depth === 0) return at; // the object around a bare number or word ends here
      if (--depth === 0) return at + 1;
    } else if (unit === COMMA && depth === 0) return at;
    at++;
  }
  throw new SyntaxError('unterminated value in stored JSON');
}
