import { z } from 'zod';

/**
 * A body without the members that are null, optional to the schema and not to be null by it. Only members that the schema names: of
 * what it does not know nothing is touched. A copy where there is one, else the same value.
 */
export function withoutNulls(schema: z.core.$ZodType, value: unknown): unknown {
  const inner = unwrapped(schema);
  if (Array.isArray(value)) return inner instanceof z.ZodArray ? mapped(value, (item) => withoutNulls(inner.element, item)) : value;
  if (!(inner instanceof z.ZodObject) || typeof value !== 'object' || value === null) return value;
  let copy: Record<string, unknown> | undefined;
  for (const [key, member] of Object.entries<z.core.$ZodType>(inner.shape)) {
    if (!Object.hasOwn(value, key)) continue;
    const given = (value as Record<string, unknown>)[key];
    const isAbsent = given === null && !z.safeParse(member, null).success && z.safeParse(member, undefined).success;
    const taken = isAbsent ? undefined : withoutNulls(member, given);
    if (taken === given) continue;
    copy ??= { ...value };
    if (isAbsent) delete copy[key];
    else copy[key] = taken;
  }
  return copy ?? value;
}

/** What is inside of `optional()`, `nullish()` and the like. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable || inner instanceof z.ZodDefault) inner = inner.unwrap();
  return inner;
}

function mapped(list: readonly unknown[], change: (item: unknown) => unknown): unknown {
  const changed = list.map(change);
  return changed.every((item, i) => item === list[i]) ? list : changed;
}
