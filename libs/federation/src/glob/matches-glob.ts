/**
 * Whether a pattern matches the whole text (appendices, "Glob-style matching"). Without regular expressions, since patterns come from
 * anybody: where they do not fit on, only the last asterisk before takes one character more, so that it takes the product of both
 * lengths at most.
 *
 * @param glob `*` stands for any number of characters
 * @param hasOne whether `?` stands for one; else it means itself
 */
export function matchesGlob(text: string, glob: string, hasOne = true): boolean {
  let t = 0;
  let g = 0;
  let star = -1;
  let retry = 0;
  while (t < text.length) {
    if (glob[g] === '*') {
      star = g++;
      retry = t;
    } else if (g < glob.length && (glob[g] === text[t] || (hasOne && glob[g] === '?'))) {
      t++;
      g++;
    } else if (star >= 0) {
      g = star + 1;
      t = ++retry;
    } else return false;
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}
