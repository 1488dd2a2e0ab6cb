import type { Transaction } from '../storage/database.js';

/** Kinds of operations that homes replicate (protocol §4). */
export type AccountOpKind =
  | 'account_data'
  | 'room_account_data'
  | 'push_rules'
  | 'profile'
  | 'filter'
  | 'device'
  | 'device_keys'
  | 'cross_signing'
  | 'signature'
  | 'fallback_key'
  | 'to_device'
  | 'to_device_consumed'
  | 'read_marker'
  | 'account_key';

/** One change of an account's replicated data. */
export interface AccountChange {
  readonly kind: AccountOpKind;
  /** What is changed within the kind, e.g. the account data type; JSON array text where it has several parts. */
  readonly key: string;
  /** The new value; null removes it (a tombstone is kept). */
  readonly value: unknown;
}

/** A change that arrived from another home, with the clock that decides between writers. */
export interface RemoteChange extends AccountChange {
  readonly userId: string;
  readonly home: string;
  /** Hybrid logical clock of the writer: comparable text. */
  readonly hlc: string;
}

/**
 * How a kind is merged and read out. `apply` is called in order per home, possibly twice for the same operation, only when
 * the merge rule of §4 lets the change win (last writer wins kinds) or for every operation (`merge: 'own'`).
 */
export interface AccountOpApplier {
  readonly merge: 'last-writer' | 'own';
  /** Stores the change here without recording it again, and wakes the account's syncs. */
  apply(change: RemoteChange): Promise<void>;
  /** Everything of this kind that the account has now: what a new home gets. */
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
    this.#appliers.set(kind, applier);
  }

  applier(kind: AccountOpKind): AccountOpApplier | undefined {
    return this.#appliers.get(kind);
  }

  kinds(): Iterable<[AccountOpKind, AccountOpApplier]> {
    return this.#appliers;
  }

  /** Writes the changes of one account to its log, if the account has more than one home; costs nothing otherwise. */
  abstract record(tx: Transaction, userId: string, changes: readonly AccountChange[]): Promise<void>;
}
