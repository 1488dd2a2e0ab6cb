import { Injectable } from '@nestjs/common';
import { AccountVector } from '../../sync/account-vector.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { AccountLogsStore } from './account-logs.store.js';
import { SharedAccounts } from './shared-accounts.js';

/** Log, or log, `~` and the beginning of a branch's first hash → number of the last operation that counts here. */
export type Vector = Readonly<Record<string, number>>;

/** Most logs in a vector that is read. */
const MAX_VECTOR = 200;

/** What clients are told of the logs, in memory: every sync of an account with several homes shows it. */
@Injectable()
export class AccountVectors extends AccountVector {
  readonly #vectors = boundedCache<string, Promise<Vector>>(20_000);

  constructor(
    private readonly store: AccountLogsStore,
    private readonly shared: SharedAccounts,
  ) {
    super();
  }

  override of(userId: string): Promise<Vector> {
    if (this.shared.others(userId).length === 0) return Promise.resolve({});
    let vector = this.#vectors.get(userId);
    if (!vector) {
      vector = this.#load(userId);
      this.#vectors.set(userId, vector);
      vector.catch(() => this.#vectors.delete(userId));
    }
    return vector;
  }

  /** Called after the logs of an account were written. */
  changed(userId: string): void {
    this.#vectors.delete(userId);
  }

  async #load(userId: string): Promise<Vector> {
    const lines = (await this.store.of(userId)).filter((line) => line.counted[0] > 0 && !line.isProvisional);
    return Object.fromEntries(lines.map((line) => [line.id === 0 ? line.log : `${line.log}~${line.first.slice(0, 8)}`, line.counted[0]]));
  }
}

/** Reads a vector; members that are none are left out. */
export function readVector(value: unknown): Vector {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const entries = Object.entries(value).slice(0, MAX_VECTOR);
  return Object.fromEntries(entries.filter(([log, n]) => log.length <= 255 && Number.isSafeInteger(n) && n >= 0));
}
