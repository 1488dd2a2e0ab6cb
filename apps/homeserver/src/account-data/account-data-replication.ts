import { Injectable, type OnModuleInit } from '@nestjs/common';
import { parseStoredJson, wellFormedJson } from '#json';
import { type AccountChange, AccountOps, type RemoteChange } from '../accounts/account-ops.js';
import { Deactivation } from '../accounts/deactivation.js';
import { type AccountDataEntry, AccountDataStore } from './account-data.store.js';
import { accountDataOp, AccountDataWriter } from './account-data-writer.js';
import { isDefault } from './push-rules/change-push-rules.js';
import { type PushRuleKind, pushRuleKinds } from './push-rules/push-rule.js';
import { PUSH_RULES_TYPE } from './push-rules/push-rules-content.js';
import { type PushRuleOpValue, pushRuleOp } from './push-rules/push-rules.js';
import { type DefaultRuleChange, type OwnPushRule, parseStoredPushRules, type StoredPushRules } from './push-rules/stored-push-rules.js';

/** Account data between the homes of an account (protocol §4): the last writer wins, per entry and per push rule. */
@Injectable()
export class AccountDataReplication implements OnModuleInit {
  constructor(
    private readonly ops: AccountOps,
    private readonly store: AccountDataStore,
    private readonly writer: AccountDataWriter,
    private readonly deactivation: Deactivation,
  ) {}

  onModuleInit(): void {
    this.ops.register('account_data', {
      merge: 'last-writer',
      apply: (change) => this.#applyEntry(change, '', change.key),
      snapshot: (userId) => this.#entries(userId, (entry) => entry.roomId === '' && entry.type !== PUSH_RULES_TYPE),
    });
    this.ops.register('room_account_data', {
      merge: 'last-writer',
      apply: async (change) => {
        const [roomId, type] = twoTexts(change.key);
        if (roomId !== undefined && type !== undefined) await this.#applyEntry(change, roomId, type);
      },
      snapshot: (userId) => this.#entries(userId, (entry) => entry.roomId !== '' && !isReadMarker(entry.roomId, entry.type)),
    });
    this.ops.register('push_rules', {
      merge: 'last-writer',
      apply: (change) => this.#applyRule(change),
      snapshot: (userId) => this.#rules(userId),
    });
    this.deactivation.onDeactivated((userId) => this.store.removeAll(userId));
  }

  async #applyEntry({ userId, value }: RemoteChange, roomId: string, type: string): Promise<void> {
    if ((type === PUSH_RULES_TYPE && roomId === '') || isReadMarker(roomId, type)) return;
    const json = objectText(value) ?? '{}';
    await this.writer.submit({ userId, roomId, type, change: () => json, ops: () => [], isReplica: true });
  }

  async #applyRule({ userId, key, value }: RemoteChange): Promise<void> {
    const [kind, ruleId] = twoTexts(key);
    if (!isKind(kind) || ruleId === undefined) return;
    const text = objectText(value);
    const op = text === undefined ? null : (parseStoredJson(text) as PushRuleOpValue);
    await this.writer.submit({
      userId,
      roomId: '',
      type: PUSH_RULES_TYPE,
      change: (present) => JSON.stringify(applied(userId, parseStoredPushRules(present), kind, ruleId, op)),
      ops: () => [],
      isReplica: true,
    });
  }

  async #entries(userId: string, wanted: (entry: AccountDataEntry) => boolean): Promise<AccountChange[]> {
    const entries = await this.store.everything(userId);
    return entries.filter(wanted).map(({ roomId, type, json }) => accountDataOp(roomId, type, json));
  }

  async #rules(userId: string): Promise<AccountChange[]> {
    const stored = parseStoredPushRules((await this.store.get(userId, '', PUSH_RULES_TYPE)) ?? null);
    return pushRuleKinds.flatMap((kind) => {
      const ids = [
        ...(stored.own[kind] ?? []).map((rule) => rule.rule_id),
        ...Object.keys(stored.defaults).filter((ruleId) => isDefault(userId, kind, ruleId)),
      ];
      // In their order, so that each finds the one it comes after.
      return ids.map((ruleId) => pushRuleOp(userId, stored, kind, ruleId));
    });
  }
}

/** It goes forward only, and travels as a read marker. */
function isReadMarker(roomId: string, type: string): boolean {
  return roomId !== '' && type === 'm.fully_read';
}

function applied(
  userId: string, stored: StoredPushRules, kind: PushRuleKind, ruleId: string, op: PushRuleOpValue,
): StoredPushRules {
  if (isDefault(userId, kind, ruleId)) {
    const { [ruleId]: _old, ...defaults } = stored.defaults;
    return { ...stored, defaults: op === null || 'rule' in op ? defaults : { ...defaults, [ruleId]: ruleChange(op) } };
  }
  const others = (stored.own[kind] ?? []).filter((rule) => rule.rule_id !== ruleId);
  if (op !== null && 'rule' in op && isRule(op.rule, ruleId)) {
    // -1 (no such rule, or none before it) puts it first.
    others.splice(others.findIndex((rule) => rule.rule_id === op.after) + 1, 0, op.rule);
  }
  return { ...stored, own: { ...stored.own, [kind]: others } };
}

function ruleChange({ enabled, actions }: DefaultRuleChange): DefaultRuleChange {
  return { ...(typeof enabled === 'boolean' && { enabled }), ...(Array.isArray(actions) && { actions }) };
}

function isRule(rule: Partial<OwnPushRule> | null, ruleId: string): boolean {
  return rule !== null && rule.rule_id === ruleId && Array.isArray(rule.actions) && typeof rule.enabled === 'boolean';
}

function isKind(kind: string | undefined): kind is PushRuleKind {
  return (pushRuleKinds as readonly (string | undefined)[]).includes(kind);
}

function twoTexts(key: string): [string | undefined, string | undefined] {
  let parts: unknown;
  try {
    parts = parseStoredJson(key);
  } catch {
    return [undefined, undefined];
  }
  const [first, second] = Array.isArray(parts) ? (parts as unknown[]) : [];
  return typeof first === 'string' && typeof second === 'string' ? [first, second] : [undefined, undefined];
}

/** JSON text of an object, as another home sent it; undefined for anything else. */
function objectText(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    const parsed: unknown = parseStoredJson(value);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? wellFormedJson(value) : undefined;
  } catch {
    return undefined;
  }
}
