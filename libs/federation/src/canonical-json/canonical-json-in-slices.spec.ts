import fc from 'fast-check';
import { canonicalJson } from './canonical-json.js';
import { CanonicalJsonError } from './canonical-json-error.js';
import { canonicalJsonInSlices } from './canonical-json-in-slices.js';

it('writes in slices what is written at once', async () => {
  const outcome = async (write: () => string | Promise<string>): Promise<string> => {
    try {
      return await write();
    } catch (error) {
      if (error instanceof CanonicalJsonError) return 'refused';
      throw error;
    }
  };
  await fc.assert(fc.asyncProperty(fc.jsonValue(), async (value) => {
    expect(await outcome(() => canonicalJsonInSlices(value, () => Promise.resolve()))).toBe(await outcome(() => canonicalJson(value)));
  }), { numRuns: 1_000 });
  let deep: unknown = 1;
  for (let i = 0; i < 1_001; i++) deep = [deep];
  expect(await outcome(() => canonicalJsonInSlices(deep, () => Promise.resolve()))).toBe('refused');
});
