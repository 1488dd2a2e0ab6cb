import { parseStoredJson } from '#json';
import { defaultPushRules, MASTER_RULE_ID } from './default-push-rules.js';
import { type PushAction, type PushRule, type PushRuleKind, pushRuleKinds, type PushRuleset } from './push-rule.js';

/** A rule that somebody made. */
export type OwnPushRule = Omit<PushRule, 'default'>;

/** What an account has changed of a predefined rule. */
export interface DefaultRuleChange {
  readonly enabled?: boolean;
  readonly actions?: readonly PushAction[];
}

/** An account's push rules as stored: what differs from the predefined ones, so that these can change with the specification. */
export interface StoredPushRules {
  /** Most important first. */
  readonly own: Readonly<Partial<Record<PushRuleKind, readonly OwnPushRule[]>>>;
  /** By rule id. */
  readonly defaults: Readonly<Record<string, DefaultRuleChange>>;
}

/** @param json as written by `JSON.stringify` of StoredPushRules; null where the account has changed nothing */
export function parseStoredPushRules(json: string | null): StoredPushRules {
  if (json === null) return { own: {}, defaults: {} };
  const { own = {}, defaults = {} } = parseStoredJson(json) as Partial<StoredPushRules>;
  return { own, defaults };
}

/** All rules of an account: own ones before predefined ones, except for the master rule. */
export function pushRulesetOf(userId: string, stored: StoredPushRules): PushRuleset {
  const defaults = defaultPushRules(userId);
  const rules = pushRuleKinds.map((kind): [PushRuleKind, PushRule[]] => {
    const own = (stored.own[kind] ?? []).map((rule) => ({ ...rule, default: false }));
    const predefined = defaults[kind].map((rule) => ({ ...rule, ...stored.defaults[rule.rule_id] }));
    const isFirst = (rule: PushRule): boolean => rule.rule_id === MASTER_RULE_ID;
    return [kind, [...predefined.filter(isFirst), ...own, ...predefined.filter((rule) => !isFirst(rule))]];
  });
  return Object.fromEntries(rules) as unknown as PushRuleset;
}
