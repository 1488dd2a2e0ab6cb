import { MatrixError } from '../../errors/matrix-error.js';
import { defaultPushRules } from './default-push-rules.js';
import type { PushAction, PushRuleKind } from './push-rule.js';
import type { OwnPushRule, StoredPushRules } from './stored-push-rules.js';

/** Own rules of one account over all kinds. */
const MAX_OWN_RULES = 2_000;

/** Where a rule is put: among own rules only. */
export interface RulePlace {
  /** Next more important than this rule. */
  readonly before?: string;
  /** Next less important than this rule. */
  readonly after?: string;
}

/** What a client says of its rule. */
export type RuleDefinition = Pick<OwnPushRule, 'rule_id' | 'actions' | 'conditions' | 'pattern'>;

/**
 * The rules with one added, or replaced under its id: then it stays enabled or disabled, and where it is unless told.
 *
 * @throws MatrixError 400 M_UNKNOWN when the place does not exist; 403 M_FORBIDDEN when there are too many rules
 */
export function withRule(stored: StoredPushRules, kind: PushRuleKind, definition: RuleDefinition, place: RulePlace): StoredPushRules {
  const rules = stored.own[kind] ?? [];
  const present = rules.findIndex((rule) => rule.rule_id === definition.rule_id);
  if (present === -1 && Object.values(stored.own).flat().length >= MAX_OWN_RULES) throw MatrixError.forbidden('Too many push rules');
  const rule: OwnPushRule = { ...definition, enabled: rules[present]?.enabled ?? true };
  const others = rules.filter((other) => other.rule_id !== rule.rule_id);
  let index = Math.max(present, 0);
  const neighbour = place.before ?? place.after;
  if (neighbour !== undefined) {
    const at = others.findIndex((other) => other.rule_id === neighbour);
    if (at === -1) throw MatrixError.unknown(400, `before/after rule not found: ${neighbour}`);
    // With both given, `before` decides (client-api, PUT pushrules).
    index = place.before === undefined ? at + 1 : at;
  }
  return withRules(stored, kind, others.toSpliced(index, 0, rule));
}

/**
 * The rules with `enabled` or `actions` of one changed, own or predefined.
 *
 * @throws MatrixError 404 M_NOT_FOUND
 */
export function withRuleChange(
  userId: string, stored: StoredPushRules, kind: PushRuleKind, ruleId: string,
  change: { readonly enabled?: boolean; readonly actions?: readonly PushAction[] },
): StoredPushRules {
  if (isDefault(userId, kind, ruleId)) {
    return { ...stored, defaults: { ...stored.defaults, [ruleId]: { ...stored.defaults[ruleId], ...change } } };
  }
  const rules = stored.own[kind] ?? [];
  if (!rules.some((rule) => rule.rule_id === ruleId)) throw ruleNotFound();
  return withRules(stored, kind, rules.map((rule) => (rule.rule_id === ruleId ? { ...rule, ...change } : rule)));
}

/**
 * The rules without an own rule, or with a predefined one as it was in the beginning.
 *
 * @throws MatrixError 404 M_NOT_FOUND
 */
export function withoutRule(userId: string, stored: StoredPushRules, kind: PushRuleKind, ruleId: string): StoredPushRules {
  if (isDefault(userId, kind, ruleId)) {
    const { [ruleId]: _reset, ...defaults } = stored.defaults;
    return { ...stored, defaults };
  }
  const rules = stored.own[kind] ?? [];
  const others = rules.filter((rule) => rule.rule_id !== ruleId);
  if (others.length === rules.length) throw ruleNotFound();
  return withRules(stored, kind, others);
}

export function ruleNotFound(): MatrixError {
  return MatrixError.notFound('The push rule was not found');
}

export function isDefault(userId: string, kind: PushRuleKind, ruleId: string): boolean {
  return defaultPushRules(userId)[kind].some((rule) => rule.rule_id === ruleId);
}

function withRules(stored: StoredPushRules, kind: PushRuleKind, rules: readonly OwnPushRule[]): StoredPushRules {
  return { ...stored, own: { ...stored.own, [kind]: rules } };
}
