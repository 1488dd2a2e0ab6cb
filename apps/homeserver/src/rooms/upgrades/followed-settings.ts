import { Injectable } from '@nestjs/common';
import { isJsonObject, type JsonObject, type JsonValue } from '#federation';
import { parseStoredJson } from '#json';
import { AccountDataStore } from '../../account-data/account-data.store.js';
import { accountDataOp, AccountDataWriter } from '../../account-data/account-data-writer.js';
import type { PushRule, PushRuleKind } from '../../account-data/push-rules/push-rule.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { PushRules } from '../../account-data/push-rules/push-rules.js';
import { Tags } from '../../account-data/tags.js';

const DIRECT_TYPE = 'm.direct';
const CONDITIONAL: readonly PushRuleKind[] = ['override', 'underride'];

/** Takes what somebody has set for a room along to the room that replaces it: tags, push rules, and whether it is a direct chat. */
@Injectable()
export class FollowedSettings {
  constructor(
    private readonly store: AccountDataStore,
    private readonly writer: AccountDataWriter,
    private readonly tags: Tags,
    private readonly pushRules: PushRules,
  ) {}

  /** What is set for the new room already stays; what finds no place (too many rules) is left out. May be called again. */
  async copy(userId: string, formerId: string, successorId: string): Promise<void> {
    await this.tags.copy(userId, formerId, successorId).catch(onlyRefused);
    await this.#copyPushRules(userId, formerId, successorId).catch(onlyRefused);
    await this.#copyDirect(userId, formerId, successorId).catch(onlyRefused);
  }

  async #copyPushRules(userId: string, formerId: string, successorId: string): Promise<void> {
    const rules = await this.pushRules.of(userId);
    const of = (kind: PushRuleKind): readonly PushRule[] => rules[kind].filter((rule) => !rule.default);
    for (const rule of of('room')) if (rule.rule_id === formerId) await this.#put(userId, 'room', rules.room, { ...rule, rule_id: successorId });
    for (const kind of CONDITIONAL) {
      for (const rule of of(kind)) {
        if (!rule.conditions?.some((condition) => condition['key'] === 'room_id' && condition['pattern'] === formerId)) continue;
        const conditions = rule.conditions.map((condition) => (condition['key'] === 'room_id' && condition['pattern'] === formerId ? { ...condition, pattern: successorId } : condition));
        const ruleId = rule.rule_id.includes(formerId) ? rule.rule_id.replaceAll(formerId, successorId) : `${rule.rule_id} ${successorId}`;
        await this.#put(userId, kind, rules[kind], { ...rule, rule_id: ruleId, conditions });
      }
    }
  }

  async #put(userId: string, kind: PushRuleKind, present: readonly PushRule[], rule: PushRule): Promise<void> {
    if (present.some((one) => one.rule_id === rule.rule_id)) return;
    const { rule_id, actions, conditions, enabled } = rule;
    await this.pushRules.put(userId, kind, { rule_id, actions, ...(conditions ? { conditions } : {}) }, {});
    if (!enabled) await this.pushRules.setEnabled(userId, kind, rule_id, false);
  }

  async #copyDirect(userId: string, formerId: string, successorId: string): Promise<void> {
    const json = await this.store.get(userId, '', DIRECT_TYPE);
    if (json === undefined || !withSuccessor(json, formerId, successorId)) return;
    await this.writer.submit({
      userId, roomId: '', type: DIRECT_TYPE,
      change: (present) => (present === null ? null : withSuccessor(present, formerId, successorId)) ?? present ?? '{}',
      ops: (changed) => [accountDataOp('', DIRECT_TYPE, changed)],
    });
  }
}

function onlyRefused(error: unknown): void {
  if (!(error instanceof MatrixError)) throw error;
}

/** The direct chats with the new room beside the old one; undefined where the old one is none, or both are there. */
function withSuccessor(json: string, formerId: string, successorId: string): string | undefined {
  const direct = parseStoredJson(json) as JsonValue;
  if (!isJsonObject(direct)) return undefined;
  let isChanged = false;
  const changed: JsonObject = { ...direct };
  for (const [userId, rooms] of Object.entries(direct)) {
    if (!Array.isArray(rooms) || !rooms.includes(formerId) || rooms.includes(successorId)) continue;
    changed[userId] = [...rooms, successorId];
    isChanged = true;
  }
  return isChanged ? JSON.stringify(changed) : undefined;
}
