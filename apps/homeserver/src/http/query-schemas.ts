import { z } from 'zod';

/** Text without NUL characters, which PostgreSQL cannot store. */
export const text = (max: number): z.ZodString => z.string().max(max).regex(/^[^\0]*$/, 'must not hold NUL characters');

/** A query parameter that is a whole number of 0 or more; numbers above `max` become `max`. */
export const queryNumber = (max: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'must be a whole number')
    .transform((digits) => Math.min(Number(digits), max));

/** A query parameter that is a time in milliseconds since the Unix epoch. */
export const queryTime = z.string().regex(/^-?\d{1,15}$/, 'must be a time in milliseconds').transform(Number);

/** A query parameter that is `true` or `false`. */
export const queryBoolean = z.enum(['true', 'false']).transform((word) => word === 'true');

/** A query parameter that may be repeated; always a list. */
export const queryList = (maxItems: number) =>
  z.union([z.string().transform((one) => [one]), z.array(z.string()).max(maxItems)]);

/** Optional text of a body; clients send null for what they leave out. */
export const optionalText = (max: number) =>
  text(max)
    .nullish()
    .transform((value) => value ?? undefined);
