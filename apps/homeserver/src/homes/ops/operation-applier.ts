import { Injectable } from '@nestjs/common';
import { CanonicalJsonError, isLogOf, itemName, type AccountLog, type HeldOperation, type HomeRecord } from '#federation';
import { parseStoredJson } from '#json';
import { accountKinds } from '../../accounts/account-kinds.js';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountOps, type AccountOpApplier, type AccountOpKind } from '../../accounts/account-ops.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Log } from '../../observability/log.js';
import { isInvalidValue } from '../../storage/database-errors.js';
import { LogLoader } from './log-loader.js';
import { OperationsStore, type ItemName } from './operations.store.js';
import { RefusedOperationsStore } from './refused-operations.store.js';
import { violatesRecord } from './record-rules.js';

/** Tries until the store shows what the log does; somebody writes here all the time otherwise. */
const MAX_TRIES = 5;

/** What came of operations that were taken. */
export interface Applied {
  /** By item. */
  readonly shown: Map<string, HeldOperation | undefined>;
  /** Reasons by hash. */
  readonly refused: ReadonlyMap<string, string>;
}

/** Brings what items show, by the log, into the stores of the account's data. */
@Injectable()
export class OperationApplier {
  constructor(
    private readonly ops: AccountOps,
    private readonly directory: AccountDirectory,
    private readonly loader: LogLoader,
    private readonly store: OperationsStore,
    private readonly refused: RefusedOperationsStore,
    private readonly logger: Log,
  ) {}

  applierOf(kind: string): AccountOpApplier | undefined {
    return this.ops.applier(kind as AccountOpKind);
  }

  /** Kinds in the order in which they are applied when an account comes whole. */
  orderOf(kind: string): number {
    const at = [...this.ops.kinds()].findIndex(([name]) => name === kind);
    return at < 0 ? 1_000 : at;
  }

  /** What the item shows, by the logs that are loaded. */
  shown(log: AccountLog, item: ItemName): HeldOperation | undefined {
    return log.shown(itemName(item), this.applierOf(item.kind)?.merge === 'removal-wins');
  }

  /**
   * Applies operations that were just taken and are about to be stored.
   *
   * @param log with these operations and what else their items keep
   * @param isOwn whether a log is this home's present one
   * @returns what each item shows now, and which operations the account's data did not take, with the reason
   */
  async applyTaken(log: AccountLog, taken: readonly HeldOperation[], isOwn: (log: string) => boolean): Promise<Applied> {
    const shown = new Map<string, HeldOperation | undefined>();
    const refused = new Map<string, string>();
    const apply = async (held: HeldOperation): Promise<void> => {
      const why = await this.apply(log.record, held);
      if (why !== null) refused.set(held.hash, why);
    };
    const applied = await this.#applied(log.record.user_id, taken);
    for (const held of taken) {
      const applier = this.applierOf(held.op.kind);
      // A home of another version may know more kinds; it hears that this one does not.
      if (!(held.op.kind in accountKinds)) refused.set(held.hash, 'unknown kind');
      if (!applier || !applied.includes(held)) continue;
      if (applier.merge === 'own') {
        await apply(held);
        continue;
      }
      const item = itemName(held.op);
      if (applier.merge === 'removal-wins' && held.value === 'null' && this.#endsWhatIsHere(log, held, isOwn)) await apply(held);
      shown.set(item, this.shown(log, held.op));
    }
    for (const held of shown.values()) if (held && applied.includes(held)) await apply(held);
    return { shown, refused };
  }

  /** An account that has ended here takes no data any more; a home that has not heard of it yet goes on writing. */
  async #applied(userId: string, taken: readonly HeldOperation[]): Promise<readonly HeldOperation[]> {
    const account = await this.directory.get(userId);
    return account && account.deactivatedTs !== null ? taken.filter(({ op }) => op.kind === 'deactivation') : taken;
  }

  /** Applies what items show until that is what it was: somebody may write here meanwhile. @param shown what is known to be applied */
  async settle(record: HomeRecord, items: readonly ItemName[], shown: Map<string, HeldOperation | undefined>): Promise<void> {
    let due = items.filter(({ kind }) => (this.applierOf(kind)?.merge ?? 'own') !== 'own');
    for (let i = 0; i < MAX_TRIES && due.length > 0; i++) {
      const { log } = await this.loader.forItems(record, due);
      const changed: ItemName[] = [];
      for (const item of due) {
        const name = itemName(item);
        const now = this.shown(log, item);
        if (shown.has(name) && now?.hash === shown.get(name)?.hash) continue;
        changed.push(item);
        shown.set(name, now);
        if (now) await this.refused.set(now, await this.apply(record, now));
        else await this.#clear(record, item);
      }
      due = changed;
    }
  }

  /**
   * Hands one operation to the store of its kind. A value that is refused here is refused at every try; the log must go on.
   *
   * @returns why it was refused; null when it was not
   */
  async apply(record: HomeRecord, { op, hash }: HeldOperation): Promise<string | null> {
    const { user_id: userId, log, n, kind, key, home, ms, after } = op;
    const value: unknown = parseStoredJson(op.value);
    if (violatesRecord({ kind, key, value }, record)) {
      this.logger.warn('an operation contradicts the home record', { userId, kind, home });
      return 'against the record';
    }
    const knew = (other: string, m: number): boolean => (other === log ? m < n : (after[other] ?? []).some(([end]) => m <= end));
    try {
      await this.applierOf(kind)?.apply({ userId, kind: kind as AccountOpKind, key, value, home: writerOf(record, log), ms, log, n, hash, knew });
      return null;
    } catch (error) {
      if (!(error instanceof MatrixError) && !(error instanceof CanonicalJsonError) && !isInvalidValue(error)) throw error;
      this.logger.warn('an operation was refused', { userId, kind, home, reason: (error as Error).message });
      return error instanceof MatrixError ? error.errcode : 'not storable';
    }
  }

  /**
   * Removes what the stores hold and no operation has written. Must not run beside another change of the account's foreign logs:
   * operations are applied before they are stored.
   */
  async clearOthers(record: HomeRecord): Promise<void> {
    const cleared: ItemName[] = [];
    for (const [kind, applier] of this.ops.kinds()) {
      // Devices and backups aside: a removal of theirs is final, and this is none.
      if (applier.merge !== 'last-writer') continue;
      // What is there first: what is written meanwhile has its operation.
      const present = await applier.snapshot(record.user_id);
      const known = await this.store.keysOfKind(record.user_id, kind);
      for (const { key } of present) {
        if (known.has(key)) continue;
        await this.#clear(record, { kind, key });
        cleared.push({ kind, key });
      }
    }
    // Somebody may have written here after the look.
    await this.settle(record, cleared, new Map());
  }

  /** Nothing that was written of an item counts any more. */
  async #clear(record: HomeRecord, { kind, key }: ItemName): Promise<void> {
    const op = { user_id: record.user_id, log: '', n: 0, prev: null, after: {}, home: '', ms: 0, kind, key, value: 'null', signature: '' };
    await this.apply(record, { op, hash: '', log: '', line: 0, n: 0, home: '', ms: 0, value: 'null' });
  }

  /** Whether this home's own newest write of the item did not know of the removal. */
  #endsWhatIsHere(log: AccountLog, removal: HeldOperation, isOwn: (log: string) => boolean): boolean {
    const own = log.newest(itemName(removal.op)).find((held) => isOwn(held.log));
    return own === undefined || !log.knows(own, removal);
  }
}

/** The server whose key the log is bound to; what an operation says of its writer orders writes, and proves nothing. */
function writerOf(record: HomeRecord, log: string): string {
  const homes = [...record.homes, ...(record.retired ?? [])];
  return homes.find(({ key }) => isLogOf(log, record.user_id, key))?.server_name ?? '';
}
