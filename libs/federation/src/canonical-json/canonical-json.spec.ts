import fc from 'fast-check';
import { canonicalJson, CanonicalJsonError, parseCanonicalJson } from './index.js';
import { sortKeys } from './canonical-json.js';

describe('canonicalJson', () => {
  // The examples of the appendices, §Canonical JSON.
  it.each([
    ['{}', '{}'],
    ['{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'],
    ['{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'],
    [
      '{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":'
      + '[{"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}',
      '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":'
      + '[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ],
    ['{"a": "日本語"}', '{"a":"日本語"}'],
    ['{"本": 2, "日": 1}', '{"日":1,"本":2}'],
    ['{"a": "\\u65E5"}', '{"a":"日"}'],
    ['{"a": null}', '{"a":null}'],
    ['{"a": -0, "b": 1e10}', '{"a":0,"b":10000000000}'],
  ])('encodes %s', (given, expected) => {
    expect(canonicalJson(parseCanonicalJson(given))).toBe(expected);
  });

  it('sorts by code point, where UTF-16 order differs', () => {
    // U+1F600 is the surrogates d83d de00, below U+FF5E as units and above it as code points.
    expect(canonicalJson({ '\u{1F600}': 1, '\uFF5E': 2, z: 3 })).toBe('{"z":3,"\uFF5E":2,"\u{1F600}":1}');
    expect(canonicalJson({ 'a\u{1F600}': 1, 'a\uE000': 2, a: 3 })).toBe('{"a":3,"a\uE000":2,"a\u{1F600}":1}');
  });

  it('sorts keys that look like array indices as text', () => {
    expect(canonicalJson({ 9: 'a', 10: 'b', 1: 'c' })).toBe('{"1":"c","10":"b","9":"a"}');
  });

  it('keeps a member that is called __proto__', () => {
    const text = '{"__proto__":{"a":1},"b":2}';
    expect(canonicalJson(JSON.parse(text))).toBe(text);
  });

  it('escapes only what the grammar escapes', () => {
    expect(canonicalJson('\b\t\n\f\r"\\/\u0000\u001f\u007f\u2028')).toBe(
      '"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\u007f\u2028"',
    );
  });

  it('takes integers up to 2^53 - 1 and nothing beyond', () => {
    expect(canonicalJson([2 ** 53 - 1, -(2 ** 53) + 1])).toBe('[9007199254740991,-9007199254740991]');
    for (const bad of [2 ** 53, -(2 ** 53), 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
      expect(() => canonicalJson({ a: [bad] })).toThrow(CanonicalJsonError);
    }
  });

  it('skips undefined members and refuses what is not JSON', () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
    expect(canonicalJson({ a: undefined })).toBe('{}');
    for (const bad of [undefined, [undefined], { a: 1n }, { a: () => 1 }, { a: Symbol('s') }]) {
      expect(() => canonicalJson(bad)).toThrow(CanonicalJsonError);
    }
  });

  it('refuses lone surrogates in values and keys', () => {
    expect(() => canonicalJson({ a: '\ud83d' })).toThrow(CanonicalJsonError);
    expect(() => canonicalJson({ '\ude00': 1 })).toThrow(CanonicalJsonError);
    expect(canonicalJson('\ud83d\ude00')).toBe('"😀"');
  });

  it('refuses what is nested too deeply instead of overflowing the stack', () => {
    const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
    expect(canonicalJson(nested(1_000))).toHaveLength(2_000);
    expect(() => canonicalJson(nested(1_001))).toThrow(CanonicalJsonError);
    expect(() => canonicalJson(nested(30_000))).toThrow(CanonicalJsonError);
  });
});

describe('parseCanonicalJson', () => {
  it.each(['{"a":1.5}', '[[[9007199254740992]]]', '{"a":{"b":[-9007199254740993]}}', '1e400', '{', '', '{"a":01}'])(
    'refuses %s', (text) => {
      expect(() => parseCanonicalJson(text)).toThrow(CanonicalJsonError);
    },
  );

  it('does not overflow on depth', () => {
    expect(parseCanonicalJson('['.repeat(30_000) + ']'.repeat(30_000))).toBeInstanceOf(Array);
  });
});

describe('properties', () => {
  const text = fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed());
  const json = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.maxSafeInteger(), text, fc.boolean(), fc.constant(null),
      fc.array(tie('value'), { maxLength: 5 }), fc.dictionary(text, tie('value'), { maxKeys: 6, noNullPrototype: true }),
    ),
  })).value;

  it('parses back to an equal value, and encodes that to the same text', () => {
    fc.assert(fc.property(json, (value) => {
      const encoded = canonicalJson(value);
      expect(canonicalJson(JSON.parse(encoded))).toBe(encoded);
      expect(JSON.parse(encoded)).toEqual(JSON.parse(JSON.stringify(value)));
    }));
  });

  it('does not depend on the order of members', () => {
    fc.assert(fc.property(fc.uniqueArray(text, { maxLength: 12 }), (keys) => {
      const forwards = Object.fromEntries(keys.map((key, i) => [key, i]));
      const backwards = Object.fromEntries(keys.map((key, i) => [key, i] as const).reverse());
      expect(canonicalJson(backwards)).toBe(canonicalJson(forwards));
    }));
  });

  it('sorts keys as their UTF-8 bytes sort', () => {
    fc.assert(fc.property(fc.uniqueArray(text, { maxLength: 12 }), (keys) => {
      const bytewise = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(sortKeys([...keys])).toEqual(bytewise);
    }));
  });
});
