/** A text as patterns see it: its characters in lower case. */
export type LoweredText = Uint32Array;

/** What looking at one event for one account may cost: rules that would cost more do not match. */
export interface MatchBudget {
  /** Characters times words of 32 pattern characters that may still be looked at. */
  steps: number;
}

/** Tells whether a text matches a pattern, in time that is linear in the text. */
export type TextMatcher = (text: LoweredText, budget: MatchBudget) => boolean;

/** Longest pattern that is looked at, in characters; longer ones match nothing. */
export const MAX_PATTERN = 255;

const STAR = 0x2a;
const ANY = 0x3f;

export function lowered(text: string): LoweredText {
  return Uint32Array.from(text.toLowerCase(), (character) => character.codePointAt(0)!);
}

/** Matches the whole text, ignoring case (appendices, "glob-style matching": `*` is any characters, `?` one). */
export function wholeGlob(pattern: string): TextMatcher {
  return matcherOf(pattern, false, true);
}

/**
 * Matches any part of the text that starts and ends at a word boundary (client-api "push rules", `content.body`): the
 * characters beside it are none of A-Z, a-z, 0-9 and `_`.
 */
export function wordGlob(pattern: string): TextMatcher {
  // Without a character it would match between any two.
  return pattern === '' ? wholeGlob('') : matcherOf(pattern, true, true);
}

/** The same for words that are no patterns: their asterisks mean themselves. */
export function wordLiteral(word: string): TextMatcher {
  return matcherOf(word, true, false);
}

/**
 * All places of the pattern at which a match can be, as bits, moved on character by character: whatever the pattern, a character of the text
 * costs the same few operations per 32 characters of it.
 */
function matcherOf(pattern: string, isWord: boolean, isGlob: boolean): TextMatcher {
  const glob = compact(lowered(pattern), isGlob);
  const end = glob.length;
  if (end > MAX_PATTERN) return () => false;
  const words = (end >> 5) + 1;
  const star = bits(words, glob, (one) => isGlob && one === STAR);
  const placesOf = (character: number): Int32Array =>
    bits(words, glob, (one) => (isGlob && one === STAR ? false : one === character || (isGlob && one === ANY)));
  // One array for all: a pattern of many characters takes some kilobytes, not dozens.
  const characters = new Map([...new Set(glob)].map((character, i) => [character, (i + 1) * words]));
  const masks = new Int32Array((characters.size + 1) * words);
  masks.set(placesOf(-1));
  for (const [character, at] of characters) masks.set(placesOf(character), at);
  return (text, budget) => {
    const cost = (text.length + 1) * words;
    if (cost > budget.steps) return false;
    budget.steps -= cost;
    const state = new Int32Array(words);
    for (let t = 0; t <= text.length; t++) {
      if (isWord ? !isWordCharacter(text[t - 1]) : t === 0) state[0]! |= 1;
      passOver(state, star);
      const isDone = ((state[end >> 5]! >>> (end & 31)) & 1) === 1;
      if (isDone && (isWord ? !isWordCharacter(text[t]) : t === text.length)) return true;
      if (t < text.length) take(state, masks, characters.get(text[t]!) ?? 0, star);
    }
    return false;
  };
}

/** Takes a character: the places beyond those that it fits (from `at` on in `masks`), and those where a star takes it. */
function take(state: Int32Array, masks: Int32Array, at: number, star: Int32Array): void {
  let carry = 0;
  for (let w = 0; w < state.length; w++) {
    const held = state[w]!;
    const fits = held & masks[at + w]!;
    state[w] = (fits << 1) | carry | (held & star[w]!);
    carry = fits >>> 31;
  }
}

/** A star may stand for nothing; no two follow each other. */
function passOver(state: Int32Array, star: Int32Array): void {
  let carry = 0;
  for (let w = 0; w < state.length; w++) {
    const held = state[w]!;
    const passed = held & star[w]!;
    state[w] = held | (passed << 1) | carry;
    carry = passed >>> 31;
  }
}

function bits(words: number, glob: LoweredText, has: (character: number) => boolean): Int32Array {
  const mask = new Int32Array(words);
  for (const [i, character] of glob.entries()) if (has(character)) mask[i >> 5]! |= 1 << (i & 31);
  return mask;
}

/** Several stars are one. */
function compact(glob: LoweredText, isGlob: boolean): LoweredText {
  return isGlob ? glob.filter((character, i) => character !== STAR || glob[i - 1] !== STAR) : glob;
}

function isWordCharacter(character: number | undefined): boolean {
  if (character === undefined) return false;
  return (character >= 0x61 && character <= 0x7a) || (character >= 0x30 && character <= 0x39) || character === 0x5f || (character >= 0x41 && character <= 0x5a);
}
