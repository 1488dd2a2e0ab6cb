import { Injectable } from '@nestjs/common';
import { canonicalJson, compareRecords, HomeRecordError, isEquivocation, readHomeRecord, verifyHomeRecord, type HomeRecord } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { Database, type Transaction } from '../../storage/database.js';
import { AccountRecordStore, type KnownRecord } from './account-record.store.js';
import { Endorsements } from './endorsements.js';
import { InTurn } from './in-turn.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** A record takes one to two kilobytes. */
const MAX_CACHED = 20_000;
const MAX_ABSENT = 100_000;

/** What became of a record that was handed in. `record` is the highest one now. */
export interface AcceptedRecord {
  readonly record: HomeRecord;
  readonly outcome: 'new' | 'same' | 'older';
}

type ChangeListener = (record: HomeRecord, previous: HomeRecord | undefined) => Promise<void>;

/** Who brought a record: a server by its name, or `client`; undefined where it was read in a room. */
export type RecordBringer = string | undefined;

/** Runs in the transaction that stores a record. */
type RecordWriter = (tx: Transaction) => Promise<void>;
type StoringListener = (record: HomeRecord, previous: HomeRecord | undefined, from: RecordBringer) => Promise<RecordWriter>;

/** The highest home record of every account that this server has seen (protocol §2). Records prove themselves, so anybody may bring one. */
@Injectable()
export class HomeRecords {
  readonly #known = boundedCache<string, KnownRecord>(MAX_CACHED);
  /** Accounts without a record, which are most where rooms are not portable: they must not cost a query each time. */
  readonly #absent = boundedCache<string, true>(MAX_ABSENT);
  readonly #inTurn = new InTurn();
  /** Counts writes. */
  #stores = 0;
  readonly #listeners = new Set<ChangeListener>();
  readonly #storing = new Set<StoringListener>();

  constructor(
    private readonly store: AccountRecordStore,
    private readonly endorsements: Endorsements,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  async get(userId: string): Promise<HomeRecord | undefined> {
    return (await this.#find(userId))?.record;
  }

  /** Whether the account key has signed two different records of one version. */
  async isEquivocal(userId: string): Promise<boolean> {
    return (await this.#find(userId))?.isEquivocal ?? false;
  }

  /**
   * Takes a record from wherever it came and keeps the highest one of its account.
   *
   * @param from who brought it, and so need not be told of it
   * @throws MatrixError 400 `M_BAD_JSON` (no record), 403 `M_FORBIDDEN` (it does not prove itself, is of another genesis than
   *   the one known, or its domain does not stand for it)
   */
  async accept(value: unknown, from?: RecordBringer): Promise<AcceptedRecord> {
    const record = verified(value);
    // A frequent case on the way of every member event: it is the one that is known, and has been put to work.
    const known = await this.#find(record.user_id);
    if (known && !this.#inTurn.isBusy(record.user_id) && canonicalJson(known.record) === canonicalJson(record)) return { record: known.record, outcome: 'same' };
    return this.#inTurn.run(record.user_id, () => this.#accept(record, from));
  }

  /** Stores the first record of an account that this server has just founded or endorsed. */
  async found(db: Transaction, record: HomeRecord): Promise<void> {
    await this.store.put(db, { record, isEndorsed: true, isEquivocal: false }, this.clock.now());
    db.afterCommit(() => {
      this.#stores++;
      this.#known.delete(record.user_id);
      this.#absent.delete(record.user_id);
    });
  }

  /** Called after an account got a higher record; who brought it waits. It must not bring records of the account itself. */
  onChanged(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called before a higher record of an account is stored; what it returns writes in the same transaction, so that nothing is lost between. */
  onStoring(listener: StoringListener): () => void {
    this.#storing.add(listener);
    return () => this.#storing.delete(listener);
  }

  async #accept(record: HomeRecord, from: RecordBringer): Promise<AcceptedRecord> {
    const known = await this.#find(record.user_id);
    if (!known) return this.#keep({ record, isEndorsed: await this.endorsements.check(record), isEquivocal: false }, undefined, from);
    if (canonicalJson(known.record.genesis) !== canonicalJson(record.genesis)) return this.#otherGenesis(record, known, from);
    const order = compareRecords(record, known.record);
    if (isEquivocation(record, known.record)) {
      this.log.warn('an account key has signed two records of one version', { userId: record.user_id });
      const kept = { ...known, isEquivocal: true };
      if (order < 0) {
        await this.#store(kept, []);
        return { record: known.record, outcome: 'older' };
      }
      return this.#keep({ ...kept, record }, known.record, from);
    }
    if (order <= 0) return { record: known.record, outcome: order === 0 ? 'same' : 'older' };
    return this.#keep({ ...known, record }, known.record, from);
  }

  /** The first genesis that was seen stays, unless it could never be proven and this one can. */
  async #otherGenesis(record: HomeRecord, known: KnownRecord, from: RecordBringer): Promise<AcceptedRecord> {
    if (!known.isEndorsed && (await this.endorsements.check(record))) {
      return this.#keep({ record, isEndorsed: true, isEquivocal: false }, known.record, from);
    }
    throw MatrixError.forbidden('This name belongs to another account');
  }

  async #keep(next: KnownRecord, previous: HomeRecord | undefined, from: RecordBringer): Promise<AcceptedRecord> {
    const writers: RecordWriter[] = [];
    for (const listener of this.#storing) writers.push(await listener(next.record, previous, from));
    await this.#store(next, writers);
    for (const listener of this.#listeners) {
      await listener(next.record, previous).catch((error: unknown) => {
        this.log.error('a new home record could not be put to work', error, { userId: next.record.user_id });
      });
    }
    return { record: next.record, outcome: 'new' };
  }

  async #store(next: KnownRecord, writers: readonly RecordWriter[]): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.store.put(tx, next, this.clock.now());
      for (const write of writers) await write(tx);
    });
    this.#stores++;
    this.#absent.delete(next.record.user_id);
    this.#known.set(next.record.user_id, next);
  }

  async #find(userId: string): Promise<KnownRecord | undefined> {
    const cached = this.#known.get(userId);
    if (cached) return cached;
    if (this.#absent.has(userId)) return undefined;
    const stores = this.#stores;
    const stored = await this.store.get(userId);
    // What was stored meanwhile is newer than what was read.
    if (stores !== this.#stores) return this.#known.get(userId) ?? this.store.get(userId);
    if (stored) this.#known.set(userId, stored);
    else this.#absent.set(userId, true);
    return stored;
  }
}

function verified(value: unknown): HomeRecord {
  let record: HomeRecord;
  try {
    record = readHomeRecord(value);
  } catch (error) {
    if (error instanceof HomeRecordError) throw MatrixError.badJson(error.message);
    throw error;
  }
  try {
    verifyHomeRecord(record);
  } catch (error) {
    if (error instanceof HomeRecordError) throw MatrixError.forbidden(error.message);
    throw error;
  }
  return record;
}
