import {
  type PushAction, type PushRule, type PushRuleKind, pushRuleKinds, type PushRuleset,
} from '../account-data/push-rules/push-rule.js';
import { compileCondition, eventMatch, type PushMatcher } from './compile-condition.js';
import type { PushLook } from './push-look.js';

/** Memory that a rule takes for each character of its JSON text: a pattern keeps a few words for each of its characters. */
const BYTES_PER_CHARACTER = 40;

/** An enabled rule, ready to be asked. */
export interface CompiledPushRule {
  readonly ruleId: string;
  readonly outcome: Notification | null;
  readonly matches: PushMatcher;
}

/** The enabled rules of one account, most important first. */
export interface CompiledPushRules {
  readonly userId: string;
  readonly rules: readonly CompiledPushRule[];
  /** The same object as long as the rules are the same. */
  readonly version: object;
  /** Approximate bytes in memory. */
  readonly size: number;
}

/** That an event is to be shown to a person, and how. */
export interface Notification {
  readonly highlight: boolean;
  /** Name of a sound; undefined for a silent notification. */
  readonly sound: string | undefined;
  /** As in the rule, without historical ones. */
  readonly actions: readonly PushAction[];
}

/** Prepares an account's rules for many events. */
export function compilePushRules(userId: string, ruleset: PushRuleset): CompiledPushRules {
  const rules = pushRuleKinds.flatMap((kind) =>
    ruleset[kind]
      .filter((rule) => rule.enabled)
      .map((rule) => ({ ruleId: rule.rule_id, outcome: outcomeOf(rule.actions), matches: matcherOf(kind, rule) })),
  );
  return { userId, rules, version: {}, size: 2_000 + BYTES_PER_CHARACTER * JSON.stringify(ruleset).length };
}

/**
 * What the most important matching rule says: null for no notification. Nobody is notified of his own events.
 *
 * @param rules of the account that may be notified; the caller leaves out events of senders that it ignores
 */
export function notificationFor(rules: CompiledPushRules, look: PushLook): Notification | null {
  if (look.event.sender === rules.userId) return null;
  return rules.rules.find((rule) => rule.matches(look))?.outcome ?? null;
}

function matcherOf(kind: PushRuleKind, rule: PushRule): PushMatcher {
  switch (kind) {
    case 'room':
      return ({ event }) => event.room_id === rule.rule_id;
    case 'sender':
      return ({ event }) => event.sender === rule.rule_id;
    case 'content':
      return rule.pattern === undefined ? () => false : eventMatch('content.body', rule.pattern);
    default: {
      const conditions = (rule.conditions ?? []).map(compileCondition);
      return (look) => conditions.every((matches) => matches(look));
    }
  }
}

/** Actions of older versions (`dont_notify`, `coalesce`) say nothing. */
function outcomeOf(actions: readonly PushAction[]): Notification | null {
  if (!actions.includes('notify')) return null;
  const tweak = (name: string): { readonly value?: unknown } | undefined =>
    actions.find((action): action is { readonly [key: string]: unknown } => typeof action === 'object' && action['set_tweak'] === name);
  const highlight = tweak('highlight');
  const sound = tweak('sound')?.value;
  return {
    // Without a value the tweak means true.
    highlight: highlight !== undefined && highlight.value !== false,
    sound: typeof sound === 'string' ? sound : undefined,
    actions: actions.filter((action) => action !== 'dont_notify' && action !== 'coalesce'),
  };
}
