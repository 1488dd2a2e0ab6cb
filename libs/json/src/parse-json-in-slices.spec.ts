import fc from 'fast-check';
import { exceedsSize, JsonMeter, LoneSurrogateError, parseJson, parseJsonInSlices, parseJsonOfParts, parseJsonOfPartsInSlices, TooManyValuesError } from './index.js';

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

describe('JsonMeter', () => {
  const measure = (text: string, size: number): boolean => {
    const meter = new JsonMeter();
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) if (!meter.add(bytes.subarray(at, at + size))) return false;
    return true;
  };

  it.each([['lists', '[],'], ['objects', '{},'], ['numbers', '1,'], ['members', '"a":1,']])('stops a long text of %s', (_what, part) => {
    expect(measure(`[${part.repeat(1_000_000)}`, 65_536)).toBe(false);
  });

  it.each([1, 7, 65_536])('counts nothing in texts, in pieces of %d bytes', (size) => {
    for (const part of [',[{', ',[{"', ',[{\\', ',[{\\"']) expect(measure(JSON.stringify([part.repeat(500_000)]), size)).toBe(true);
  });

  it('lets events pass', () => {
    const event = { auth_events: ['$'.padEnd(44, 'a'), '$'.padEnd(44, 'b'), '$'.padEnd(44, 'c')], content: { membership: 'join', displayname: 'Somebody' }, depth: 1, hashes: { sha256: 'h'.repeat(43) },
      origin_server_ts: 1, prev_events: ['$'.padEnd(44, 'd')], room_id: '!'.padEnd(44, 'r'), sender: '@somebody:example.org', signatures: { 'example.org': { 'ed25519:1': 's'.repeat(86) } }, state_key: '@somebody:example.org', type: 'm.room.member' };
    expect(measure(`[${`${JSON.stringify(event)},`.repeat(50_000)}`, 65_536)).toBe(true);
  });
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
