import { z } from 'zod';
import { type PushAction, type PushRuleKind, pushRuleKinds } from '../../account-data/push-rules/push-rule.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { text } from '../../http/query-schemas.js';
import { MAX_PATTERN } from '../../push/glob.js';

/** Actions that older versions had and that mean nothing (client-api "historical actions"). */
const HISTORICAL = new Set(['dont_notify', 'coalesce']);

const actions = z
  .array(z.union([z.enum(['notify', 'dont_notify', 'coalesce']), z.looseObject({ set_tweak: z.string().max(255) })]))
  .max(100)
  .transform((list): PushAction[] => list.filter((action) => typeof action !== 'string' || !HISTORICAL.has(action)));

/** Kinds that this server does not know are kept: they never match, here, and may be known to the client. */
const condition = z.looseObject({ kind: z.string().max(255) }).refine(
  ({ pattern }) => typeof pattern !== 'string' || pattern.length <= MAX_PATTERN, { error: `Patterns have at most ${MAX_PATTERN} characters` },
);

export const ruleSchema = z.object({
  actions,
  conditions: z.array(condition).max(100).optional(),
  pattern: z.string().max(MAX_PATTERN).optional(),
});
export type RuleBody = z.output<typeof ruleSchema>;

export const enabledSchema = z.object({ enabled: z.boolean() });
export const actionsSchema = z.object({ actions });

export const placeSchema = z.object({ before: text(1_000).optional(), after: text(1_000).optional() });

/** @throws MatrixError 400 M_INVALID_PARAM */
export function checkScope(scope: string): void {
  if (scope !== 'global') throw MatrixError.invalidParam('The only scope of push rules is global');
}

/** @throws MatrixError 400 M_INVALID_PARAM */
export function validKind(kind: string): PushRuleKind {
  if (!(pushRuleKinds as readonly string[]).includes(kind)) throw MatrixError.invalidParam('There is no such kind of push rule');
  return kind as PushRuleKind;
}

/**
 * Id of a rule that a client makes.
 *
 * @throws MatrixError 400 M_INVALID_PARAM
 */
export function validNewRuleId(ruleId: string): string {
  if (ruleId.startsWith('.')) throw MatrixError.invalidParam('Ids that start with a dot belong to predefined rules');
  if (/[/\\]/.test(ruleId)) throw MatrixError.invalidParam('Ids of push rules cannot hold slashes');
  if (ruleId.length > 1_000) throw MatrixError.invalidParam('The id of the push rule is too long');
  return ruleId;
}
