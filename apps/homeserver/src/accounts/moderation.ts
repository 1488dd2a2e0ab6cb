import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config/config.js';
import { Database } from '../storage/database.js';
import { AccountOps, type AccountChange } from './account-ops.js';
import { AccountStore } from './account.store.js';
import { AccessTokens } from './access-tokens.js';
import { OpenSessions } from './open-sessions.js';

/** What an operator has decided about an account at his server. */
export interface ModeratedStanding {
  readonly locked: boolean;
  readonly suspended: boolean;
}

/**
 * Locking and suspending are the operator's word about his server only. The account's other homes are told that it is so, and go
 * on serving it (protocol §2, "Deactivation").
 */
@Injectable()
export class Moderation implements OnModuleInit {
  constructor(
    private readonly config: Config,
    private readonly store: AccountStore,
    private readonly tokens: AccessTokens,
    private readonly sessions: OpenSessions,
    private readonly ops: AccountOps,
    private readonly db: Database,
  ) {}

  onModuleInit(): void {
    this.ops.register('moderation', {
      merge: 'last-writer',
      // Only shown, from the log.
      apply: () => Promise.resolve(),
      snapshot: async (userId) => {
        const standing = await this.of(userId);
        return standing ? [this.#change(standing)] : [];
      },
    });
  }

  /** Undefined when nothing has been decided about the account here. */
  async of(userId: string): Promise<ModeratedStanding | undefined> {
    const account = await this.store.get(userId);
    return account && (account.isLocked || account.isSuspended) ? { locked: account.isLocked, suspended: account.isSuspended } : undefined;
  }

  async decide(userId: string, decision: { readonly isSuspended?: boolean; readonly isLocked?: boolean }): Promise<void> {
    await this.db.transaction(async (tx) => {
      const account = await this.store.setStanding(tx, userId, decision);
      if (account) await this.ops.record(tx, userId, [this.#change({ locked: account.isLocked, suspended: account.isSuspended })]);
      tx.afterCommit(() => {
        this.tokens.reload(userId);
        if (decision.isLocked === true) this.sessions.lock(userId);
      });
    });
  }

  #change(standing: ModeratedStanding): AccountChange {
    return { kind: 'moderation', key: this.config.serverName, value: standing.locked || standing.suspended ? standing : null };
  }
}
