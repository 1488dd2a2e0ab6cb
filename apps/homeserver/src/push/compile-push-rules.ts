import {
  type PushAction, type PushRule, type PushRuleKind, pushRuleKinds, type PushRuleset,
} from '../account-data/push-rules/push-rule.js';
import { compileCondition, eventMatch, type PushMatcher } from './compile-condition.js';
import type { PushContext, PushEvent } from './push-event.js';

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
  return { userId, rules };
}

/**
 * What the most important matching rule says: null for no notification. Nobody is notified of his own events.
 *
 * @param rules of the account that may be notified; the caller leaves out events of senders that it ignores
 */
export function notificationFor(rules: CompiledPushRules, event: PushEvent, context: PushContext): Notification | null {
  if (event.sender === rules.userId) return null;
  return rules.rules.find((rule) => rule.matches(event, context))?.outcome ?? null;
}

function matcherOf(kind: PushRuleKind, rule: PushRule): PushMatcher {
  switch (kind) {
    case 'room':
      return (event) => event.room_id === rule.rule_id;
    case 'sender':
      return (event) => event.sender === rule.rule_id;
    case 'content':
      return rule.pattern === undefined ? () => false : eventMatch('content.body', rule.pattern);
    default: {
      const conditions = (rule.conditions ?? []).map(compileCondition);
      return (event, context) => conditions.every((matches) => matches(event, context));
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
