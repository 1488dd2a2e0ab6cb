import fc from 'fast-check';
import { exceedsSize, LoneSurrogateError, parseJson, parseJsonInSlices, parseJsonOfParts, parseJsonOfPartsInSlices, TooManyValuesError } from './index.js';

const slices = { pause: () => Promise.resolve(), maxValues: 100_000 };
const outcome = async (read: () => unknown): Promise<unknown> => {
  try {
    return [await read()];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return error instanceof LoneSurrogateError ? 'lone' : 'refused';
  }
};

it('exceedsSize tells by about its text whether a value is large', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const { length } = JSON.stringify(value);
    expect(exceedsSize(value, 4 * length + 10)).toBe(false);
    expect(exceedsSize({ value, pad: 'x'.repeat(2 * length + 100) }, length + 50)).toBe(true);
  }));
  expect([exceedsSize(Array(60_000).fill(1), 100_000), exceedsSize({ a: { b: 'x'.repeat(100_000) } }, 100_000)]).toEqual([true, true]);
});

describe('JSON in slices', () => {
  it('means what it means at once', async () => {
    const damage = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', '', '', ',', '"', '\\', '}', ']', '\\ud800', '\\n'));
    await fc.assert(fc.asyncProperty(damage, async ([json, where, inserted]) => {
      const at = where % (json.length + 1);
      const text = json.slice(0, at) + inserted + json.slice(at);
      expect(await outcome(() => parseJsonInSlices(text, slices))).toEqual(await outcome(() => parseJson(text)));
      expect(await outcome(() => parseJsonOfPartsInSlices(text, slices))).toEqual(await outcome(() => parseJsonOfParts(text)));
    }), { numRuns: 2_000 });
  });

  it('gives others their turn, and ends at so many values', async () => {
    let pauses = 0;
    const pause = () => Promise.resolve(void pauses++);
    const text = `[${'[],'.repeat(100_000)}[]]`;
    expect(await parseJsonInSlices(text, { pause, maxValues: 1_000_000 })).toHaveLength(100_001);
    expect(pauses).toBeGreaterThanOrEqual(10);
    await expect(parseJsonInSlices(text, { pause, maxValues: 50_000 })).rejects.toThrow(TooManyValuesError);
  });
});
