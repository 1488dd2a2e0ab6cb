import { accountKinds, type AccountOpKind, type AccountOpMerge } from './account-kinds.js';
import type { Transaction } from '../storage/database.js';

export type { AccountOpKind, AccountOpMerge };

/** One change of an account's replicated data. */
export interface AccountChange {
  readonly kind: AccountOpKind;
  /** What is changed within the kind, e.g. the account data type; JSON array text where it has several parts. */
  readonly key: string;
  /** The new value; null removes it (a tombstone is kept). */
  readonly value: unknown;
}

/** A change that another home made, with its place among the others. */
export interface RemoteChange extends AccountChange {
  readonly userId: string;
  /** Server name of the writer. */
  readonly home: string;
  /** The writer's milliseconds. */
  readonly ms: number;
  /** The operation: its log, number and hash. */
  readonly log: string;
  readonly n: number;
  readonly hash: string;
  /** Whether its writer held operation `n` of a log. */
  knew(log: string, n: number): boolean;
}

/**
 * How a kind is merged and read out. `apply` is called in order, possibly twice for the same operation, with what the item
 * shows when that changes, or with every operation (`merge: 'own'`). With `removal-wins` it is called with each removal that this
 * home's own newest write of the item did not know of, then with what is shown if that is something else.
 */
export interface AccountOpApplier {
  readonly merge: AccountOpMerge;
  /** Stores the change here without recording it again, and wakes the account's syncs. */
  apply(change: RemoteChange): Promise<void>;
  /** Everything of this kind that the account has now. */
  snapshot(userId: string): Promise<AccountChange[]>;
}

/**
 * The door between the stores of account data and the replication of accounts over homes (homes/ops). Stores call `record` in
 * the transaction of the change, so that an acknowledged change is never missing from the log.
 */
export abstract class AccountOps {
  readonly #appliers = new Map<AccountOpKind, AccountOpApplier>();

  /** Called once by the store that owns the kind, when the server starts. */
  register(kind: AccountOpKind, applier: AccountOpApplier): void {
    if (accountKinds[kind].merge !== applier.merge) throw new Error(`${kind} is not merged as its row in account-kinds.ts says`);
    this.#appliers.set(kind, applier);
  }

  applier(kind: AccountOpKind): AccountOpApplier | undefined {
    return this.#appliers.get(kind);
  }

  kinds(): Iterable<[AccountOpKind, AccountOpApplier]> {
    return this.#appliers;
  }

  /** Writes the changes of one account to its log, if the account has a record; costs nothing otherwise. */
  record(tx: Transaction, userId: string, changes: readonly AccountChange[]): Promise<void> {
    return this.recordAll(tx, new Map([[userId, changes]]));
  }

  /** The same for several accounts at the price of one. A transaction calls it once: it locks the logs of the accounts. */
  abstract recordAll(tx: Transaction, changes: ReadonlyMap<string, readonly AccountChange[]>): Promise<void>;

  /** Whether the account has a log, so that `record` writes something. */
  abstract hasLog(userId: string): boolean;

  /** Whether the account's log says that the item is there; true for accounts without a log. */
  abstract isWritten(tx: Transaction, userId: string, item: Pick<AccountChange, 'kind' | 'key'>): Promise<boolean>;

  /** Whether every home of the account has what this one holds of its log. */
  abstract isEverywhere(userId: string): Promise<boolean>;
}
