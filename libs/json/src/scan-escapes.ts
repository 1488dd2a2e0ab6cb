const COLON = 0x3a;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;

/** What the escapes in a JSON text are about. */
export interface Escapes {
  /** Whether a key is written with one. */
  readonly inKeys: boolean;
  /** Where the escapes of surrogates begin that have no other half beside them. */
  readonly loneSurrogates: readonly number[];
}

/**
 * Looks at the strings with a backslash in them, and at nothing else: what is valid JSON has backslashes in strings only, and what is
 * not is for the parser to refuse. Linear, whatever the text is.
 *
 * @param first where the first backslash is
 */
export function scanEscapes(text: string, first: number): Escapes {
  const loneSurrogates: number[] = [];
  let inKeys = false;
  let quote = -1;
  for (let at = first; at !== -1; ) {
    // One string: from its first backslash to its end.
    for (;;) {
      const length = text.charCodeAt(at + 1) === LOWER_U ? surrogateLength(text, at) : 2;
      if (length === 0) loneSurrogates.push(at);
      at += length || 6;
      if (quote < at) quote = text.indexOf('"', at);
      const next = text.indexOf('\\', at);
      at = next;
      if (next === -1 || next > quote) break;
    }
    if (quote === -1) break;
    if (!inKeys && isKeyEnd(text, quote)) inKeys = true;
  }
  return { inKeys, loneSurrogates };
}

/** Units that a `\u` escape and the other half of its character take; 0 for a surrogate without one. */
function surrogateLength(text: string, at: number): number {
  const kind = surrogateKind(text, at);
  if (kind === 'none') return 2;
  return kind === 'high' && text.charCodeAt(at + 6) === BACKSLASH && text.charCodeAt(at + 7) === LOWER_U && surrogateKind(text, at + 6) === 'low' ? 12 : 0;
}

function surrogateKind(text: string, at: number): 'none' | 'high' | 'low' {
  // 'd' or 'D', then 8 to b, or c to f, then two digits more.
  if ((text.charCodeAt(at + 2) | 0x20) !== 0x64 || !isHex(text.charCodeAt(at + 4)) || !isHex(text.charCodeAt(at + 5))) return 'none';
  const digit = text.charCodeAt(at + 3) | 0x20;
  if (digit === 0x38 || digit === 0x39 || digit === 0x61 || digit === 0x62) return 'high';
  return digit >= 0x63 && digit <= 0x66 ? 'low' : 'none';
}

function isHex(unit: number): boolean {
  const lower = unit | 0x20;
  return (unit >= 0x30 && unit <= 0x39) || (lower >= 0x61 && lower <= 0x66);
}

/** Whether a colon comes after the quote. */
function isKeyEnd(text: string, quote: number): boolean {
  let at = quote + 1;
  for (let unit = text.charCodeAt(at); unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09; unit = text.charCodeAt(at)) at++;
  return text.charCodeAt(at) === COLON;
}
