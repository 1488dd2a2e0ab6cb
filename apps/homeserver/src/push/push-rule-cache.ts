import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AccountDataWriter } from '../account-data/account-data-writer.js';
import { PushRules } from '../account-data/push-rules/push-rules.js';
import { PUSH_RULES_TYPE } from '../account-data/push-rules/push-rules-content.js';
import { type CompiledPushRules, compilePushRules } from './compile-push-rules.js';

const MAX_BYTES = 32 * 1024 * 1024;

/** The push rules of accounts on this server, ready to be asked; the ones in use are in memory. */
@Injectable()
export class PushRuleCache implements OnModuleDestroy {
  readonly #rules = new LRUCache<string, CompiledPushRules>({ maxSize: MAX_BYTES, sizeCalculation: (rules) => rules.size });
  /** Reads under way, of which a change makes no use any more. */
  readonly #loading = new Map<string, Promise<CompiledPushRules>>();
  readonly #unsubscribe: () => void;

  constructor(
    private readonly pushRules: PushRules,
    writer: AccountDataWriter,
  ) {
    this.#unsubscribe = writer.onChanged(({ userId, type }) => {
      if (type !== PUSH_RULES_TYPE) return;
      this.#rules.delete(userId);
      this.#loading.delete(userId);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  async of(userId: string): Promise<CompiledPushRules> {
    const rules = this.#rules.get(userId);
    if (rules) return rules;
    let loading = this.#loading.get(userId);
    if (!loading) {
      loading = this.#load(userId);
      this.#loading.set(userId, loading);
    }
    try {
      const loaded = await loading;
      if (this.#loading.get(userId) === loading) this.#rules.set(userId, loaded);
      return loaded;
    } finally {
      if (this.#loading.get(userId) === loading) this.#loading.delete(userId);
    }
  }

  async #load(userId: string): Promise<CompiledPushRules> {
    return compilePushRules(userId, await this.pushRules.of(userId));
  }
}
