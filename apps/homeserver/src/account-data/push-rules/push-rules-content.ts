import { parseStoredPushRules, pushRulesetOf } from './stored-push-rules.js';

export const PUSH_RULES_TYPE = 'm.push_rules';

/**
 * The content of `m.push_rules` as JSON text.
 *
 * @param stored the stored difference to the predefined rules; null where there is none
 */
export function pushRulesContent(userId: string, stored: string | null): string {
  return JSON.stringify({ global: pushRulesetOf(userId, parseStoredPushRules(stored)) });
}
