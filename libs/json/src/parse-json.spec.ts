import fc from 'fast-check';
import { LoneSurrogateError, nestsDeeperThan, parseJson, parseJsonOfParts, parseStoredJson } from './index.js';
import { readJson } from './read-json.js';

describe('keys with escapes', () => {
  // Each first text makes the engine take the key of the second one for its own.
  it.each([
    [String.raw`{"Q":1,"caf\\u":2}`, String.raw`{"Q":1,"caf\u00e9x":"x"}`, ['Q', 'caf\u00e9x']],
    [String.raw`{"h":[],"\\":0}`, String.raw`{"h":1,"\"":2}`, ['h', '"']],
    [String.raw`{"R":1,"a\\n":2}`, String.raw`{"R":1,"a\nb":2}`, ['R', 'a\nb']],
    [String.raw`[{"S":1,"\\u":2}]`, String.raw`[{"S":1 , "\u0000" :{"S":1,"\u0001":2}}]`, ['S', '\u0000']],
  ])('after %s %s is read as it is', (before, text, keys) => {
    parseJson(before);
    JSON.parse(before);
    const value = parseJson(text) as object;
    expect(Object.keys(Array.isArray(value) ? (value[0] as object) : value)).toEqual(keys);
  });
});

/** A value with one of its many spellings. */
interface Spelt { readonly value: unknown; readonly text: string }

const space = fc.stringMatching(/^[ \n\r\t]{0,2}$/);
const unit = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...'ab"\\/u0\n\t\u0000\u001f\u007f\u00e9\u2028') }, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }));
const hex = (one: string) => [...Array(one.length).keys()].map((i) => `\\u${one.charCodeAt(i).toString(16).padStart(4, '0')}`).join('');
const spelt = (one: string, how: number): string => {
  const isBare = how === 0 && !/[^ !#-[\]-\uffff]/.test(one);
  return isBare ? one : how === 1 ? hex(one).toUpperCase().replaceAll('\\U', '\\u') : how === 2 ? hex(one) : JSON.stringify(one).slice(1, -1);
};
const textual = fc.array(fc.tuple(unit.filter((one) => one.isWellFormed()), fc.nat(3)), { maxLength: 5 })
  .map((units): Spelt & { value: string } => ({ value: units.map(([one]) => one).join(''), text: `"${units.map(([one, how]) => spelt(one, how)).join('')}"` }));
const plain = fc.oneof(
  fc.constantFrom('true', 'false', 'null', '0', '-0', '1e3', '-1.5E-2', '9007199254740993', '1e400'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)), fc.integer().map(String),
).map((text): Spelt => ({ value: JSON.parse(text) as unknown, text }));
const { any } = fc.letrec<{ any: Spelt; list: Spelt; object: Spelt }>((tie) => ({
  any: fc.oneof({ depthSize: 'small' }, plain, textual, tie('list'), tie('object')),
  list: fc.array(fc.tuple(space, tie('any'), space), { maxLength: 4 }).map((items) => ({
    value: items.map(([, item]) => item.value), text: `[${items.map(([a, item, b]) => a + item.text + b).join(',')}]`,
  })),
  object: fc.array(fc.tuple(space, fc.oneof(textual, fc.constant({ value: '__proto__', text: String.raw`"__pr\u006fto__"` })), space, tie('any')), { maxLength: 4 }).map((members) => {
    const value: Record<string, unknown> = {};
    for (const [, key, , item] of members) Object.defineProperty(value, key.value, { value: item.value, writable: true, enumerable: true, configurable: true });
    return { value, text: `{${members.map(([a, key, b, item]) => `${a}${key.text}${b}:${b}${item.text}${a}`).join(',')}}` };
  }),
}));

const result = (parse: () => unknown): unknown => {
  try {
    return [parse()];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return 'refused';
  }
};
const same = (a: unknown, b: unknown): void => {
  expect(a).toEqual(b);
  const order = (value: unknown): unknown => (typeof value === 'object' && value !== null ? Object.entries(value).map(([key, one]) => [key, order(one)]) : value);
  expect(order(a)).toEqual(order(b));
};

describe('any text', () => {
  it('means what it was made of, whatever was read before', () => {
    fc.assert(fc.property(any, ({ value, text }) => {
      for (const read of [parseJson, parseStoredJson, readJson]) same(read(text), value);
    }), { numRuns: 1_000 });
  });

  it('is refused when the engine refuses it', () => {
    const damage = fc.tuple(any, fc.nat(), fc.constantFrom('', ',', '"', '\\', '}', ']', ':', '0', 'x', ' ', '\u0001', '\\u12', '-'), fc.nat(2));
    fc.assert(fc.property(damage, ([{ text }, where, inserted, removed]) => {
      const at = where % (text.length + 1);
      const bad = text.slice(0, at) + inserted + text.slice(at + removed);
      const isRefused = result(() => JSON.parse(bad)) === 'refused';
      for (const read of [parseStoredJson, readJson]) expect(result(() => read(bad)) === 'refused').toBe(isRefused);
    }), { numRuns: 2_000 });
  });

  it.each(['', ' ', '[1,]', '{"a":1,}', '{,}', '[,1]', '{"a"}', '{"a" 1}', '01', '1.', '.5', '+1', 'nul', 'truex', '"a', '"\n"', '[1 2]', '{"a":1 "b":2}', '[1]]', String.raw`"\x"`, '{1:2}', String.raw`{"\u00":1}`])(
    'refuses %j', (text) => {
      for (const read of [parseJson, readJson]) expect(() => read(text)).toThrow(SyntaxError);
    },
  );

  it('may be nested as deeply as it likes', () => {
    const deep = `${String.raw`{"\u0061":[`.repeat(50_000)}${']}'.repeat(50_000)}`;
    expect(nestsDeeperThan(parseJson(deep), 99_999)).toBe(true);
    expect(nestsDeeperThan(parseJson(deep), 100_000)).toBe(false);
  });

  // By the square of it, each of these would take minutes.
  it.each([`{"\\u0061":"${'\\n'.repeat(2_000_000)}"}`, `["${'\\"'.repeat(2_000_000)}"]`, `[${String.raw`"\n",`.repeat(800_000)}1]`, '\\'.repeat(4_000_001)].map((text) => [text.slice(0, 20), text]))(
    'takes time by its length: %s', (_begin, text) => {
      expect(result(() => parseJson(text)) === 'refused').toBe(text.startsWith('\\'));
    },
  );
});

describe('lone surrogates', () => {
  const lone = [String.raw`\ud800`, String.raw`\uDFFF`, String.raw`\ud83dx`, String.raw`\ud83d\n`, String.raw`\ud83d\ud83d\ude00`, String.raw`\ude00\ud83d`, String.raw`\\\uD800`];
  it.each(lone)('are refused: %s', (text) => {
    for (const json of [`"${text}"`, `{"a":["${text}"]}`, `{"${text}":1}`, `{"\\n":"${text}"}`]) expect(() => parseJson(json)).toThrow(/surrogate/);
  });

  it.each(lone)('take away the part of a body that they are in, and nothing else: %s', (text) => {
    const body = (more: string) => `{"a\\n":[1,{"b":[{"c":"${text}"}]},"x"],"d":[{"${text}":1}],"e":2${more}}`;
    expect(parseJsonOfParts(body(''))).toEqual({ 'a\n': [1, null, 'x'], d: [null], e: 2 });
    for (const bad of [body(`,"f":"${text}"`), body(`,"${text}":1`), `["${text}"]`, `"${text}"`]) expect(() => parseJsonOfParts(bad)).toThrow(LoneSurrogateError);
    expect(() => parseJsonOfParts(body(','))).toThrow(SyntaxError);
  });

  it.each(lone)('come out of what is stored as U+FFFD: %s', (text) => {
    for (const json of [`"${text}"`, `{"a":["${text}"]}`, `{"\\n":"${text}"}`]) expect(parseStoredJson(json)).toEqual(wellFormed(JSON.parse(json)));
    expect(parseStoredJson(`{"${text}":1}`)).toEqual({ [(JSON.parse(`"${text}"`) as string).toWellFormed()]: 1 });
  });

  it.each([String.raw`\ud83d\ude00`, String.raw`\\ud800`, String.raw`\uD83D\uDE00\u0064`, String.raw`\ud7ff\ue000`, '😀'])('are not what is whole: %s', (text) => {
    expect(parseJson(`{"a":"${text}"}`)).toEqual({ a: JSON.parse(`"${text}"`) });
  });
});

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, wellFormed(one)])) : value;
}

describe('nestsDeeperThan', () => {
  it.each([[1, 0], ['x', 0], [{}, 1], [[], 1], [{ a: 1 }, 1], [{ a: {} }, 2], [[1, [2, { a: [] }]], 4], [null, 0]])('%j has its levels', (value, levels) => {
    expect([nestsDeeperThan(value, levels), levels === 0 || nestsDeeperThan(value, levels - 1)]).toEqual([false, true]);
  });
});
