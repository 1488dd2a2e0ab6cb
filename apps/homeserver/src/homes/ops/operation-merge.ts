import { Injectable } from '@nestjs/common';
import { CanonicalJsonError, type HomeRecord } from '#federation';
import { AccountOps, type AccountOpApplier, type AccountOpKind } from '../../accounts/account-ops.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { Database, isInvalidValue } from '../../storage/database.js';
import { HomeRecords } from '../records/home-records.js';
import { InTurn } from '../records/in-turn.js';
import { AccountVectors } from './account-vectors.js';
import { parseReading } from './hybrid-clock.js';
import { compareWriters, isSignedBy, type Operation, type Vector } from './operation.js';
import { OperationLog } from './operation-log.js';
import { OperationsStore } from './operations.store.js';
import { violatesRecord } from './record-rules.js';

/** A home whose clock is further ahead than this is refused: its writes would win for ever. */
const MAX_AHEAD_MS = 24 * 3_600_000;

/** An item as a home hands it over whole; without a writer it is older than every operation. */
export interface CopiedItem {
  readonly kind: string;
  readonly key: string;
  readonly value: unknown;
  readonly hlc?: string;
  readonly home?: string;
}

/** Brings operations of other homes into the account's data here (protocol §4). */
@Injectable()
export class OperationMerge {
  readonly #inTurn = new InTurn();

  constructor(
    private readonly ops: AccountOps,
    private readonly records: HomeRecords,
    private readonly store: OperationsStore,
    private readonly log: OperationLog,
    private readonly vectors: AccountVectors,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly logger: Log,
  ) {}

  /**
   * Takes operations of an account: those that continue the log of their home, each signed with that home's key.
   *
   * @returns false when some were left out because others before them are missing
   * @throws MatrixError 403 `M_FORBIDDEN` for an operation of somebody who is no home, or with a wrong signature or clock
   */
  take(userId: string, list: readonly Operation[]): Promise<boolean> {
    return this.#inTurn.run(userId, () => this.#take(userId, list));
  }

  /** Takes everything that another home has of an account, and its vector: what the vector covers is then known here. */
  takeCopy(userId: string, items: readonly CopiedItem[], vector: Vector): Promise<void> {
    return this.#inTurn.run(userId, async () => {
      const record = await this.records.get(userId);
      for (const item of items) await this.#mergeItem(userId, item, record);
      for (const [home, n] of Object.entries(vector)) await this.store.raise(this.db, userId, home, n);
      this.vectors.changed(userId);
    });
  }

  async #take(userId: string, list: readonly Operation[]): Promise<boolean> {
    const record = await this.records.get(userId);
    const heads = { ...(await this.store.vector(userId)) };
    let isWhole = true;
    for (const op of list) {
      const head = heads[op.home] ?? 0;
      if (op.n <= head) continue;
      if (op.n > head + 1) {
        isWhole = false;
        continue;
      }
      this.#check(op, record);
      await this.#merge(op, record);
      heads[op.home] = op.n;
    }
    return isWhole;
  }

  #check(op: Operation, record: HomeRecord | undefined): void {
    const home = record?.homes.find((entry) => entry.server_name === op.home);
    if (!home) throw MatrixError.forbidden(`${op.home} is no home of the account`);
    if (!isSignedBy(op, home.key)) throw MatrixError.forbidden(`An operation is not signed by ${op.home}`);
    if (this.#isAhead(op.hlc)) throw MatrixError.forbidden(`The clock of ${op.home} is a day ahead`);
    this.log.clock.observe(op.hlc);
  }

  #isAhead(hlc: string): boolean {
    return parseReading(hlc).ms > this.clock.now() + MAX_AHEAD_MS;
  }

  async #merge(op: Operation, record: HomeRecord | undefined): Promise<void> {
    const applier = this.ops.applier(op.kind as AccountOpKind);
    const isContested = applier?.merge === 'last-writer';
    const winner = isContested ? await this.store.winner(this.db, op.userId, op.kind, op.key) : undefined;
    if (applier && (!winner || compareWriters(op, winner) > 0)) await this.#apply(applier, op, record);
    const later = await this.db.transaction(async (tx) => {
      await this.store.insert(tx, [op], this.clock.now());
      await this.store.raise(tx, op.userId, op.home, op.n);
      if (!isContested) return undefined;
      await this.store.win(tx, op.userId, [{ ...op, isRemoved: op.value === 'null' }]);
      return this.store.winner(tx, op.userId, op.kind, op.key);
    });
    this.vectors.changed(op.userId);
    // Somebody wrote here while the operation was applied, and wins: his value goes over it again.
    if (applier && later && compareWriters(later, op) > 0 && (!winner || compareWriters(later, winner) > 0)) {
      const own = await this.store.byWriter(op.userId, op.kind, op.key, later);
      if (own) await this.#apply(applier, own, record);
    }
  }

  async #mergeItem(userId: string, item: CopiedItem, record: HomeRecord | undefined): Promise<void> {
    const { kind, key, hlc = '', home = '' } = item;
    const applier = this.ops.applier(kind as AccountOpKind);
    // One reading that is far ahead would carry the clock of this server along, for all its accounts.
    if (!applier || (hlc !== '' && this.#isAhead(hlc))) return;
    const isContested = applier.merge === 'last-writer';
    const winner = isContested ? await this.store.winner(this.db, userId, kind, key) : undefined;
    if (winner && compareWriters({ hlc, home }, winner) <= 0) return;
    if (hlc !== '') this.log.clock.observe(hlc);
    await this.#apply(applier, { userId, kind, key, hlc, home, value: JSON.stringify(item.value ?? null) }, record);
    if (isContested && hlc !== '') {
      await this.store.win(this.db, userId, [{ kind, key, hlc, home, isRemoved: item.value === null }]);
    }
  }

  async #apply(applier: AccountOpApplier, op: Omit<Operation, 'n' | 'signature'>, record: HomeRecord | undefined): Promise<void> {
    const { userId, kind, key, home, hlc } = op;
    const value: unknown = JSON.parse(op.value);
    if (violatesRecord({ kind, key, value }, record)) {
      this.logger.warn('an operation contradicts the home record', { userId, kind, home });
      return;
    }
    try {
      await applier.apply({ userId, kind: kind as AccountOpKind, key, value, home, hlc });
    } catch (error) {
      // A value that is refused here is refused at every try; the log must go on.
      if (!(error instanceof MatrixError) && !(error instanceof CanonicalJsonError) && !isInvalidValue(error)) throw error;
      this.logger.warn('an operation was refused', { userId, kind, home, reason: (error as Error).message });
    }
  }
}
