import { z } from 'zod';
import { withoutNulls } from './without-nulls.js';

const schema = z.object({
  needed: z.string(),
  name: z.string().optional(),
  uses: z.number().nullish(),
  content: z.custom<object>((value) => typeof value === 'object'),
  inner: z.looseObject({ deep: z.number().optional(), list: z.array(z.object({ a: z.string().optional() })).optional() }).optional(),
});

describe('null for an optional member', () => {
  it.each<[string, unknown, unknown]>([
    ['is taken away', { needed: 'x', name: null }, { needed: 'x' }],
    ['stays where it means something', { uses: null, needed: null }, { uses: null, needed: null }],
    ['stays in what is the client\'s own', { content: { a: null }, other: null }, { content: { a: null }, other: null }],
    ['is taken away further inside', { inner: { deep: null, x: null, list: [{ a: null }, { a: 'b' }] } }, { inner: { x: null, list: [{}, { a: 'b' }] } }],
    ['is taken away as a whole object', { inner: null }, {}],
    ['is nothing elsewhere', [null], [null]],
    ['is no object itself', null, null],
  ])('%s', (_what, value, expected) => {
    expect(withoutNulls(schema, value)).toEqual(expected);
  });

  it('changes nothing that was given', () => {
    const whole = { needed: 'x', inner: { deep: 1, list: [{ a: 'b' }] } };
    expect(withoutNulls(schema, whole)).toBe(whole);
    const given = { needed: 'x', inner: { deep: null } };
    withoutNulls(schema, given);
    expect(given).toEqual({ needed: 'x', inner: { deep: null } });
  });
});
