import fc from 'fast-check';
import { matchesGlob } from './matches-glob.js';

describe('matchesGlob', () => {
  it.each([true, false])('matches what an expression does, with ? for one: %s', (hasOne) => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '?', '.', '*'), maxLength: 12 });
    const one = (character: string): string => (character === '*' ? '[^]*' : character === '?' && hasOne ? '[^]' : `[${character}]`);
    fc.assert(fc.property(texts, texts, (text, glob) => {
      expect(matchesGlob(text, glob, hasOne)).toBe(new RegExp(`^${[...glob].map(one).join('')}$`).test(text));
    }), { numRuns: 5_000 });
  });

  it('takes the product of the lengths at most, however many asterisks there are', () => {
    const before = process.cpuUsage();
    for (let i = 0; i < 10; i++) expect(matchesGlob('a'.repeat(255), `${'*a'.repeat(120)}${'a'.repeat(100)}b`)).toBe(false);
    // An expression takes for ever. Time of the processor: a busy machine makes no difference.
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_000);
  });
});
