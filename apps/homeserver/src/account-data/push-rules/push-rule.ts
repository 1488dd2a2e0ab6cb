/** Kinds of push rules in the order in which they are checked. */
export const pushRuleKinds = ['override', 'content', 'room', 'sender', 'underride'] as const;
export type PushRuleKind = (typeof pushRuleKinds)[number];

/** `notify`, or an object like `{"set_tweak": "sound", "value": "default"}`. */
export type PushAction = string | { readonly [key: string]: unknown };

/** A condition as clients wrote it: members of a known kind may be missing or of the wrong type. */
export interface PushCondition {
  readonly kind: string;
  readonly [key: string]: unknown;
}

/** A push rule as clients see it. */
export interface PushRule {
  readonly rule_id: string;
  readonly default: boolean;
  readonly enabled: boolean;
  readonly actions: readonly PushAction[];
  /** Of `override` and `underride` rules. */
  readonly conditions?: readonly PushCondition[];
  /** Of `content` rules. */
  readonly pattern?: string;
}

/** All rules of an account, by kind, most important first. */
export type PushRuleset = Readonly<Record<PushRuleKind, readonly PushRule[]>>;
