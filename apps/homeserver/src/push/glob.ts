/** Tells whether a text matches a pattern. */
export type TextMatcher = (text: string) => boolean;

/**
 * Matches the whole text, ignoring case (appendices, "glob-style matching": `*` is any characters, `?` one). Takes time
 * proportional to pattern times text at worst, whatever a client writes into its rules.
 */
export function wholeGlob(pattern: string): TextMatcher {
  const glob = [...pattern.toLowerCase()];
  if (!hasWildcard(pattern)) return (text) => text.toLowerCase() === glob.join('');
  return (text) => matchesWhole(glob, [...text.toLowerCase()]);
}

/**
 * Matches any part of the text that starts and ends at a word boundary (client-api "push rules", `content.body`): the
 * characters beside it are none of A-Z, a-z, 0-9 and `_`.
 */
export function wordGlob(pattern: string): TextMatcher {
  const lower = pattern.toLowerCase();
  if (!hasWildcard(pattern)) return (text) => containsWord(text.toLowerCase(), lower);
  const glob = [...lower];
  return (text) => containsGlob(glob, [...text.toLowerCase()]);
}

function hasWildcard(pattern: string): boolean {
  return pattern.includes('*') || pattern.includes('?');
}

function isWordCharacter(character: string | undefined): boolean {
  return character !== undefined && /^[a-z0-9_]$/i.test(character);
}

/** Whether the text contains the word, between word boundaries. Both in lower case. */
export function containsWord(text: string, word: string): boolean {
  if (word === '') return text === '';
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) {
    if (!isWordCharacter(text[at - 1]) && !isWordCharacter(text[at + word.length])) return true;
  }
  return false;
}

/** Greedy: on a mismatch only the last `*` has to take one character more. */
function matchesWhole(glob: readonly string[], text: readonly string[]): boolean {
  let g = 0;
  let star = -1;
  let resume = 0;
  for (let t = 0; t < text.length; ) {
    if (glob[g] === '*') {
      star = g++;
      resume = t;
    } else if (g < glob.length && (glob[g] === '?' || glob[g] === text[t])) {
      g++;
      t++;
    } else if (star !== -1) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}

/** All places of the pattern at which a match that began at some word boundary can be, moved on character by character. */
function containsGlob(glob: readonly string[], text: readonly string[]): boolean {
  const end = glob.length;
  let states = new Uint8Array(end + 1);
  for (let t = 0; t <= text.length; t++) {
    if (!isWordCharacter(text[t - 1])) states[0] = 1;
    // A star may stand for nothing.
    for (let g = 0; g < end; g++) if (states[g] && glob[g] === '*') states[g + 1] = 1;
    if (states[end] && !isWordCharacter(text[t])) return true;
    if (t === text.length) return false;
    const next = new Uint8Array(end + 1);
    for (let g = 0; g < end; g++) {
      if (!states[g]) continue;
      if (glob[g] === '*') next[g] = 1;
      else if (glob[g] === '?' || glob[g] === text[t]) next[g + 1] = 1;
    }
    states = next;
  }
  return false;
}
