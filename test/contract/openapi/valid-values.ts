import fc from 'fast-check';
import type { Schema } from './specification.ts';

/** Values that stand for something in the world of a test, by the name of a member or parameter, such as `room_id` or `roomId`. */
export type KnownValues = Readonly<Record<string, string>>;

/** How often an optional member is there, of 10. */
const OPTIONAL = 4;
const MAX_ITEMS = 2;
/** Levels below which only what has to be there is. */
const MAX_DEPTH = 6;

/** Values that a schema allows: mostly, as patterns and formats are met by known values alone. */
export function validValues(schema: Schema, known: KnownValues, name = '', depth = 0): fc.Arbitrary<unknown> {
  const inner = (part: Schema, key = name): fc.Arbitrary<unknown> => validValues(part, known, key, depth + 1);
  const value = known[name.replaceAll('_', '').toLowerCase()];
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.oneOf ?? schema.anyOf) {
    const { oneOf = [], anyOf = [], ...rest } = schema;
    return fc.oneof(...[...oneOf, ...anyOf].map((part: Schema) => inner({ allOf: [rest, part] })));
  }
  if (schema.allOf) return inner(merged(schema));
  switch (Array.isArray(schema.type) ? schema.type[0] : (schema.type ?? (schema.properties ? 'object' : 'any'))) {
    case 'object': return objects(schema, inner, known, depth);
    case 'array': return fc.array(inner(schema.items ?? {}), { maxLength: depth > MAX_DEPTH ? 0 : MAX_ITEMS });
    case 'string': return value === undefined ? fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('m.odd', 'x', '*')) : fc.constant(value);
    case 'integer': return fc.integer({ min: schema.minimum ?? 0, max: 100 });
    case 'number': return fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constant(0.5));
    case 'boolean': return fc.boolean();
    default: return value === undefined ? fc.jsonValue({ maxDepth: 1 }) : fc.constant(value);
  }
}

function objects(schema: Schema, inner: (part: Schema, key: string) => fc.Arbitrary<unknown>, known: KnownValues, depth: number): fc.Arbitrary<unknown> {
  const required = new Set<string>(schema.required);
  const members = Object.entries<Schema>(schema.properties ?? {}).map(([key, part]): fc.Arbitrary<readonly [string, unknown][]> => {
    const there = inner(part, key).map((value) => [[key, value]] as const as [string, unknown][]);
    if (required.has(key)) return there;
    return depth > MAX_DEPTH ? fc.constant([]) : fc.oneof({ weight: OPTIONAL, arbitrary: there }, { weight: 10 - OPTIONAL, arbitrary: fc.constant([]) });
  });
  if (typeof schema.additionalProperties === 'object' && depth <= MAX_DEPTH) {
    const keys = fc.constantFrom('x', 'm.odd', ...['userid', 'roomid', 'eventid', 'deviceid'].flatMap((key) => known[key] ?? []));
    members.push(fc.array(fc.tuple(keys, inner(schema.additionalProperties, '')), { maxLength: MAX_ITEMS }) as fc.Arbitrary<[string, unknown][]>);
  }
  return fc.tuple(...members).map((lists) => Object.fromEntries(lists.flat()));
}

/** One schema for what has to hold of several at once. */
function merged(schema: Schema): Schema {
  const { allOf, ...own } = schema;
  const result: Schema = {};
  for (const part of [own, ...allOf.map((one: Schema) => (one.allOf ? merged(one) : one))]) {
    Object.assign(result, part, {
      properties: { ...result.properties, ...part.properties },
      required: [...(result.required ?? []), ...(part.required ?? [])],
      ...(result.oneOf && part.oneOf ? { oneOf: result.oneOf } : {}),
    });
  }
  if (Object.keys(result.properties).length === 0) delete result.properties;
  return result;
}
