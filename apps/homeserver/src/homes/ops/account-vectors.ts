import { Injectable } from '@nestjs/common';
import { AccountVector } from '../../sync/account-vector.js';
import type { Vector } from './operation.js';
import { OperationsStore } from './operations.store.js';
import { SharedAccounts } from './shared-accounts.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Version vectors in memory: every sync of an account with several homes shows it. */
@Injectable()
export class AccountVectors extends AccountVector {
  readonly #vectors = boundedCache<string, Promise<Vector>>(20_000);

  constructor(
    private readonly store: OperationsStore,
    private readonly shared: SharedAccounts,
  ) {
    super();
  }

  override of(userId: string): Promise<Vector> {
    if (this.shared.others(userId).length === 0) return Promise.resolve({});
    let vector = this.#vectors.get(userId);
    if (!vector) {
      vector = this.store.vector(userId);
      this.#vectors.set(userId, vector);
      vector.catch(() => this.#vectors.delete(userId));
    }
    return vector;
  }

  /** Called after the heads of an account were written. */
  changed(userId: string): void {
    this.#vectors.delete(userId);
  }
}
