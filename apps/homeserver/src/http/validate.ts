import type { z } from 'zod';
import { withoutNulls } from './without-nulls.js';
import { MatrixError } from '../errors/matrix-error.js';

/**
 * Checks what a client sent. `null` for an optional member is as good as none, everywhere; in what is the client's own, such as the
 * content of an event, it stays.
 *
 * @param fallback errcode for values of a wrong type: M_BAD_JSON for bodies, M_INVALID_PARAM for queries
 * @throws MatrixError 400: M_MISSING_PARAM where a required top-level member is missing, the `params.errcode` of a custom
 *   issue, or `fallback`
 */
export function validate<S extends z.ZodType>(schema: S, value: unknown, fallback: string): z.output<S> {
  return validated(schema, withoutNulls(schema, value), fallback);
}

/** As `validate`, of what holds no `null`, such as the parameters of a query. */
export function validated<S extends z.ZodType>(schema: S, value: unknown, fallback: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const where = issue.path.map(String).join('.');
  if (issue.code === 'custom' && typeof issue.params?.['errcode'] === 'string') {
    throw new MatrixError(400, issue.params['errcode'], issue.message);
  }
  const isObject = typeof value === 'object' && value !== null;
  const isMissing = isObject && issue.path.length === 1 && !Object.hasOwn(value, issue.path[0]!);
  if (isMissing) throw MatrixError.missingParam(`Missing ${where}`);
  throw new MatrixError(400, fallback, where === '' ? issue.message : `${where}: ${issue.message}`);
}
