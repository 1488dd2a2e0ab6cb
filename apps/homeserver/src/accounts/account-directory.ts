import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Database, type Transaction } from '../storage/database.js';
import type { Account, NewAccount } from './account.js';
import { AccountStore } from './account.store.js';

/**
 * Which accounts this server serves. The domain of an account's name does not tell: this server may be the second home of an
 * account of another domain. The names are all in memory, because every event asks.
 */
@Injectable()
export class AccountDirectory implements OnModuleInit {
  readonly #userIds = new Set<string>();
  readonly #added = new Set<(userId: string) => void>();
  readonly #removed = new Set<(userId: string) => void>();

  constructor(
    private readonly store: AccountStore,
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    for (const userId of await this.store.ids()) this.#userIds.add(userId);
  }

  /** True for accounts that are served here, deactivated ones too. */
  has(userId: string): boolean {
    return this.#userIds.has(userId);
  }

  all(): Iterable<string> {
    return this.#userIds.values();
  }

  get size(): number {
    return this.#userIds.size;
  }

  get(userId: string): Promise<Account | undefined> {
    return this.#userIds.has(userId) ? this.store.get(userId) : Promise.resolve(undefined);
  }

  /**
   * @param within runs in the transaction that creates the account, e.g. to use up a registration token; what it throws
   *   undoes all
   * @throws MatrixError 400 M_USER_IN_USE
   */
  async create(account: NewAccount, within?: (tx: Transaction) => Promise<void>): Promise<void> {
    let isTaken = false;
    await this.db.transaction(async (tx) => {
      const inserted = this.store.insert(account, this.clock.now());
      // Where nothing depends on it that is known after the COMMIT.
      if (within) {
        if (!(await tx.query(...inserted)).length) throw userInUse();
        await within(tx);
      }
      const last = within ? undefined : tx.add(...inserted);
      tx.afterCommit(() => {
        isTaken = last?.found.rows.length === 0;
        if (isTaken) return;
        this.#userIds.add(account.userId);
        for (const listener of this.#added) listener(account.userId);
      });
    });
    if (isTaken) throw userInUse();
  }

  /**
   * Makes a guest a user with a password.
   *
   * @param within as of `create`
   * @throws MatrixError 400 M_USER_IN_USE for who is no guest any more
   */
  async upgradeGuest(userId: string, passwordHash: string, within?: (tx: Transaction) => Promise<void>): Promise<void> {
    await this.db.transaction(async (tx) => {
      if (!(await this.store.upgradeGuest(tx, userId, passwordHash))) throw userInUse();
      await within?.(tx);
    });
  }

  /** Forgets an account whose record no longer names this server. Its tokens must be gone. */
  async remove(userId: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.store.delete(tx, userId);
      tx.afterCommit(() => {
        this.#userIds.delete(userId);
        for (const listener of this.#removed) listener(userId);
      });
    });
  }

  /** Called after an account was created here. */
  onAdded(listener: (userId: string) => void): () => void {
    this.#added.add(listener);
    return () => this.#added.delete(listener);
  }

  /** Called after an account was forgotten here. */
  onRemoved(listener: (userId: string) => void): () => void {
    this.#removed.add(listener);
    return () => this.#removed.delete(listener);
  }
}

export function userInUse(): MatrixError {
  return new MatrixError(400, 'M_USER_IN_USE', 'This user name is taken');
}
