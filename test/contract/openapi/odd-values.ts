import fc from 'fast-check';

/** What JSON.stringify cannot say stands for itself as such a string, put in place as text. */
const VERBATIM = { '\u0001huge': '1e400', '\u0001deep': `${'['.repeat(3_000)}${']'.repeat(3_000)}`, '\u0001twice': '{"a":1,"a":2}', '\u0001minus': '-0', '\u0001long': '9'.repeat(400) };

const scalars: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
  null, true, false, 0, 1, -1, 1.5, -0.1, 1e300, 2 ** 53, -(2 ** 53), 2 ** 63, 2 ** 31, '', ' ', '0', 'null', 'x', 'a\0b', '\0', '\ud800', 'x\udc00', '\u202e', '😀',
  'x'.repeat(255), 'x'.repeat(256), 'x'.repeat(65_536), `@${'x'.repeat(300)}:localhost`, `!${'x'.repeat(300)}`, '@x', '@x:', '@:x', '#x:', '$x', '!x:localhost:1', '@X y:localhost:1',
  'mxc://', 'mxc://localhost:1/../x', 'http://127.0.0.1:1/', '__proto__', 'constructor', '\u00e9', '%00', ...Object.keys(VERBATIM),
);

/** Values that hardly any member of a body takes. */
export const oddValues: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 5, arbitrary: scalars },
  { weight: 1, arbitrary: fc.constantFrom<unknown>([], {}, [[]], [null], { '': null }, { __proto__x: {} }, { 'a\0b': 1 }, { '\ud800': 1 }, [{}], { x: [] }) },
  { weight: 1, arbitrary: fc.array(scalars, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('x', 'type', 'm.odd', '@a:b', '!a:b', '', 'constructor'), scalars, { maxKeys: 3 }) },
);

/** What is no JSON at all. */
export const noJson: fc.Arbitrary<Buffer> = fc.constantFrom(
  ...['{"a":', 'nonsense', '{"a":1}}', '\0', "{'a':1}", '{"a":1,}', '[1', '"\u0000"', '{"a":01}', '\ufeff{}', '{"a":"\t"}', 'NaN', '{"a":Infinity}'].map((text) => Buffer.from(text)),
);

/** JSON of a body with one of its values, chosen by `at`, put in another one's place. */
export function withOdd(body: unknown, at: number, odd: unknown): unknown {
  const count = places(body);
  let left = at % count;
  const walk = (value: unknown): unknown => {
    if (left-- === 0) return odd;
    if (Array.isArray(value)) return value.map(walk);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, walk(member)]));
  };
  return walk(body);
}

/** The text of a body. */
export function textOf(body: unknown): string {
  let text = JSON.stringify(body);
  for (const [mark, verbatim] of Object.entries(VERBATIM)) text = text.replaceAll(JSON.stringify(mark), verbatim);
  return text;
}

function places(value: unknown): number {
  if (value === null || typeof value !== 'object') return 1;
  return 1 + Object.values(value).reduce((sum: number, member) => sum + places(member), 0);
}
