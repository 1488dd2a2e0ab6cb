import { Injectable } from '@nestjs/common';
import type { AccountChange } from '../../accounts/account-ops.js';
import { boundedJson } from '../../accounts/bounded-json.js';
import { AccountDataStore } from '../account-data.store.js';
import { AccountDataWriter } from '../account-data-writer.js';
import { isDefault, type RuleDefinition, type RulePlace, withoutRule, withRule, withRuleChange } from './change-push-rules.js';
import type { PushAction, PushRuleKind, PushRuleset } from './push-rule.js';
import { PUSH_RULES_TYPE } from './push-rules-content.js';
import {
  type DefaultRuleChange, type OwnPushRule, parseStoredPushRules, pushRulesetOf, type StoredPushRules,
} from './stored-push-rules.js';

const MAX_BYTES = 128 * 1024;

/** What another home is told of a rule: of an own one all, with its place; of a predefined one what was changed; null: gone. */
export type PushRuleOpValue = { readonly rule: OwnPushRule; readonly after: string | null } | DefaultRuleChange | null;

/** The push rules of the accounts on this server. */
@Injectable()
export class PushRules {
  constructor(
    private readonly store: AccountDataStore,
    private readonly writer: AccountDataWriter,
  ) {}

  async of(userId: string): Promise<PushRuleset> {
    const json = await this.store.get(userId, '', PUSH_RULES_TYPE);
    return pushRulesetOf(userId, parseStoredPushRules(json ?? null));
  }

  /** See `withRule`. The caller has checked the definition. */
  async put(userId: string, kind: PushRuleKind, definition: RuleDefinition, place: RulePlace): Promise<void> {
    await this.#change(userId, kind, definition.rule_id, (stored) => withRule(stored, kind, definition, place));
  }

  /** @throws MatrixError 404 M_NOT_FOUND */
  async setEnabled(userId: string, kind: PushRuleKind, ruleId: string, enabled: boolean): Promise<void> {
    await this.#change(userId, kind, ruleId, (stored) => withRuleChange(userId, stored, kind, ruleId, { enabled }));
  }

  /** @throws MatrixError 404 M_NOT_FOUND */
  async setActions(userId: string, kind: PushRuleKind, ruleId: string, actions: readonly PushAction[]): Promise<void> {
    await this.#change(userId, kind, ruleId, (stored) => withRuleChange(userId, stored, kind, ruleId, { actions }));
  }

  /** Deletes an own rule, resets a predefined one. @throws MatrixError 404 M_NOT_FOUND */
  async delete(userId: string, kind: PushRuleKind, ruleId: string): Promise<void> {
    await this.#change(userId, kind, ruleId, (stored) => withoutRule(userId, stored, kind, ruleId));
  }

  async #change(
    userId: string, kind: PushRuleKind, ruleId: string, apply: (stored: StoredPushRules) => StoredPushRules,
  ): Promise<void> {
    await this.writer.submit({
      userId,
      roomId: '',
      type: PUSH_RULES_TYPE,
      change: (present) => boundedJson(apply(parseStoredPushRules(present)), MAX_BYTES, 'The list of push rules'),
      ops: (json) => [pushRuleOp(userId, parseStoredPushRules(json), kind, ruleId)],
    });
  }
}

/** The operation that tells other homes of one rule as it is now. */
export function pushRuleOp(userId: string, stored: StoredPushRules, kind: PushRuleKind, ruleId: string): AccountChange {
  return { kind: 'push_rules', key: JSON.stringify([kind, ruleId]), value: opValue(userId, stored, kind, ruleId) };
}

function opValue(userId: string, stored: StoredPushRules, kind: PushRuleKind, ruleId: string): string | null {
  let value: PushRuleOpValue = null;
  if (isDefault(userId, kind, ruleId)) {
    value = stored.defaults[ruleId] ?? null;
  } else {
    const rules = stored.own[kind] ?? [];
    const index = rules.findIndex((rule) => rule.rule_id === ruleId);
    if (index !== -1) value = { rule: rules[index]!, after: rules[index - 1]?.rule_id ?? null };
  }
  return value === null ? null : JSON.stringify(value);
}
