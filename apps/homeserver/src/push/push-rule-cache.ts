import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { AccountDataWriter } from '../account-data/account-data-writer.js';
import { PushRules } from '../account-data/push-rules/push-rules.js';
import { PUSH_RULES_TYPE } from '../account-data/push-rules/push-rules-content.js';
import { type CompiledPushRules, compilePushRules } from './compile-push-rules.js';
import { boundedCache } from '../storage/bounded-cache.js';

const MAX_ACCOUNTS = 5_000;

/** The push rules of accounts on this server, ready to be asked; the ones in use are in memory. */
@Injectable()
export class PushRuleCache implements OnModuleDestroy {
  readonly #rules = boundedCache<string, Promise<CompiledPushRules>>(MAX_ACCOUNTS);
  readonly #unsubscribe: () => void;

  constructor(
    private readonly pushRules: PushRules,
    writer: AccountDataWriter,
  ) {
    this.#unsubscribe = writer.onChanged(({ userId, type }) => {
      if (type === PUSH_RULES_TYPE) this.#rules.delete(userId);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  of(userId: string): Promise<CompiledPushRules> {
    let rules = this.#rules.get(userId);
    if (!rules) {
      rules = this.pushRules.of(userId).then((ruleset) => compilePushRules(userId, ruleset));
      this.#rules.set(userId, rules);
      rules.catch(() => this.#rules.delete(userId));
    }
    return rules;
  }
}
