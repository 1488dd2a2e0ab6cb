import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import {
  canonicalJson, compareRecords, genesisHash, hearRecord, HomeRecordError, homesInForce, isEquivocation, mayFollow, readHomeRecord, verifyHomeRecord,
  type HeardRecords, type HomeEntry, type HomeRecord,
} from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Log } from '../../observability/log.js';
import { Database, type Transaction } from '../../storage/database.js';
import { AccountRecordStore, knownRecord, type FreshRecord, type KnownRecord, type RecordPin } from './account-record.store.js';
import { RecordAdmission } from './record-admission.js';
import { RecordWork, type ChangeListener, type HomesInForce } from './record-work.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** A record takes one to two kilobytes. */
const MAX_CACHED = 20_000;
const MAX_ABSENT = 100_000;
/** Records of accounts that have nothing to do with this server: at most 80 MB, and their pins, of a hundred bytes each. */
const MAX_STRANGERS = 10_000;
const MAX_STRANGE_PINS = 500_000;
const STRANGERS_PER_SWEEP = 100;

/** What became of a record that was handed in. `record` is the highest one now. */
export interface AcceptedRecord {
  readonly record: HomeRecord;
  readonly outcome: 'new' | 'same' | 'older';
}

/** Who brought a record: a server by its name, or `client`; undefined where it was read in a room. */
export type RecordBringer = string | undefined;

/** Runs in the transaction that stores a record. */
type RecordWriter = (tx: Transaction) => Promise<void>;
type StoringListener = (heard: HeardRecords, previous: HomeRecord | undefined, from: RecordBringer, homes: HomesInForce) => Promise<RecordWriter>;

/**
 * The highest home record of every account that this server has seen, and beside it one that was signed apart (protocol §2). Records
 * prove themselves, so anybody may bring one.
 */
@Injectable()
export class HomeRecords implements OnModuleDestroy {
  readonly #known = boundedCache<string, KnownRecord>(MAX_CACHED);
  /** Accounts without a record, which are most where rooms are not portable: they must not cost a query each time. */
  readonly #absent = boundedCache<string, true>(MAX_ABSENT);
  readonly #inTurn = new KeyedQueue();
  #strangers = 0;
  /** Counts writes. */
  #stores = 0;
  readonly #work: RecordWork;
  readonly #storing = new Set<StoringListener>();
  readonly #founded = new Set<(record: HomeRecord) => void>();

  constructor(
    private readonly store: AccountRecordStore,
    private readonly admission: RecordAdmission,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.#work = new RecordWork(this.#inTurn, log);
  }

  onModuleDestroy(): void {
    this.#work.stop();
  }

  async get(userId: string): Promise<HomeRecord | undefined> {
    return (await this.#find(userId))?.record ?? undefined;
  }

  /** The record with what restricts it. */
  async heard(userId: string): Promise<HeardRecords | undefined> {
    const known = await this.#find(userId);
    return known?.record ? { record: known.record, rivals: known.rivals, keys: known.keys } : undefined;
  }

  /** The homes that are believed: of the record, without those that one signed apart from it does not name. */
  async homesOf(userId: string): Promise<readonly HomeEntry[]> {
    const heard = await this.heard(userId);
    return heard ? homesInForce(heard) : [];
  }

  /** Whether the server is a home of the account that is believed. */
  async isHome(userId: string, server: string): Promise<boolean> {
    return (await this.homesOf(userId)).some((home) => home.server_name === server);
  }

  /** The record if it may direct anything outside of rooms now: nothing is taken from a name whose domain lives. */
  async followed(userId: string): Promise<HomeRecord | undefined> {
    const known = await this.#find(userId);
    if (!known?.record || known.isEndorsed) return known?.record ?? undefined;
    return (await this.admission.stands(known.record)) ? known.record : undefined;
  }

  /** What the name is pinned to here, also when the record itself was forgotten. */
  async pin(userId: string): Promise<RecordPin | undefined> {
    return this.#find(userId);
  }

  /**
   * Whether the account's records do not name the server among its homes; those that are below the shown one, or of another genesis,
   * say nothing.
   */
  async hasDropped(userId: string, server: string, shown: HomeRecord | undefined): Promise<boolean> {
    const heard = await this.heard(userId);
    if (!heard || (shown && !mayFollow(shown, heard.record))) return false;
    return !homesInForce(heard).some((home) => home.server_name === server);
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
   *   the one known, or its domain does not stand for it), 502 `M_UNKNOWN` (its domain cannot be asked now), 429
   *   `M_LIMIT_EXCEEDED` (too many records of strangers from there)
   */
  async accept(value: unknown, from?: RecordBringer): Promise<AcceptedRecord> {
    const record = verifiedRecord(value);
    // A frequent case on the way of every member event: it is the one that is known, and has been put to work.
    const known = await this.#find(record.user_id);
    if (known?.record && (known.isKept || from !== undefined) && this.#inTurn.size(record.user_id) === 0 && canonicalJson(known.record) === canonicalJson(record)) return { record: known.record, outcome: 'same' };
    return this.#inTurn.run(record.user_id, () => this.#accept(record, from));
  }

  /** Stores the first record of an account that this server has just founded or endorsed. */
  async found(db: Transaction, record: HomeRecord): Promise<void> {
    await this.store.put(db, knownRecord(record), this.clock.now());
    db.afterCommit(() => {
      this.#stores++;
      this.#known.delete(record.user_id);
      this.#absent.delete(record.user_id);
      for (const listener of this.#founded) listener(record);
    });
  }

  /** Called after the first record of an account of this server was stored by `found`. */
  onFounded(listener: (record: HomeRecord) => void): void {
    this.#founded.add(listener);
  }

  /** Called after an account got a higher record; who brought it waits. It must not bring records of the account itself. */
  onChanged(listener: ChangeListener): () => void {
    return this.#work.add(listener);
  }

  /** Called before a higher record of an account is stored; what it returns writes in the same transaction, so that nothing is lost between. */
  onStoring(listener: StoringListener): () => void {
    this.#storing.add(listener);
    return () => this.#storing.delete(listener);
  }

  async #accept(record: HomeRecord, from: RecordBringer): Promise<AcceptedRecord> {
    const known = await this.#find(record.user_id);
    if (!known) return this.#keep(await this.admission.first(record, from), null, from);
    if (known.genesisSha256 !== genesisHash(record.genesis)) {
      // What is known of the domain may have changed.
      const next = await this.admission.otherGenesis(record, known).finally(() => this.#known.delete(record.user_id));
      return this.#keep(next, heardOf(known), from);
    }
    const before = heardOf(known);
    if (!before || !known.record) return this.#keep(await this.admission.again(record, known, from), null, from);
    const order = compareRecords(record, known.record);
    const heard = hearRecord(before, record);
    const isEquivocal = known.isEquivocal || heard.rivals.length > 0 || isEquivocation(record, known.record);
    if (isEquivocal && !known.isEquivocal) this.log.warn('two records of an account were signed apart', { userId: record.user_id });
    if (order > 0) return this.#keep({ ...(await this.admission.next(record, known)), ...heard, isEquivocal }, before, from);
    if (heard.rivals !== known.rivals) await this.#keep({ ...known, ...heard, isEquivocal }, before, from);
    else if (heard !== before || isEquivocal !== known.isEquivocal) await this.#store({ ...known, ...heard, isEquivocal }, []);
    if (!known.isKept && from === undefined) await this.#befriend(known.record, known);
    return { record: known.record, outcome: order === 0 ? 'same' : 'older' };
  }

  /** A stranger has come into a room here. */
  async #befriend(record: HomeRecord, known: KnownRecord): Promise<void> {
    if (await this.admission.isStranger(record.user_id)) return;
    await this.store.keep(record.user_id);
    this.#known.set(record.user_id, { ...known, isKept: true });
  }

  async #keep(next: FreshRecord, before: HeardRecords | null, from: RecordBringer): Promise<AcceptedRecord> {
    const previous = before?.record;
    const homes = { now: homesInForce(next), before: before ? homesInForce(before) : [] };
    const writers: RecordWriter[] = [];
    for (const listener of this.#storing) writers.push(await listener(next, previous, from, homes));
    let isLate = false;
    try {
      await this.#store(next, writers, () => isLate && this.#work.later(next.record, previous, homes));
    } catch (error) {
      isLate = true;
      throw error;
    }
    await this.#work.begin(next.record, previous, homes);
    return { record: next.record, outcome: 'new' };
  }

  /** @param stored called when it is certain that it is, which may be after an UnknownOutcome */
  async #store(next: FreshRecord, writers: readonly RecordWriter[], stored: () => void = () => undefined): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.store.put(tx, next, this.clock.now());
      for (const write of writers) await write(tx);
      tx.afterCommit(() => {
        this.#stores++;
        this.#absent.delete(next.record.user_id);
        this.#known.set(next.record.user_id, next);
        stored();
      });
    });
    if (!next.isKept && ++this.#strangers % STRANGERS_PER_SWEEP === 0) await this.#forgetStrangers();
  }

  async #forgetStrangers(): Promise<void> {
    for (const userId of await this.store.forgetStrangers(MAX_STRANGERS, MAX_STRANGE_PINS)) this.#known.delete(userId);
    this.#stores++;
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

function heardOf({ record, rivals, keys }: KnownRecord): HeardRecords | null {
  return record && { record, rivals, keys };
}

/**
 * A record that proves itself, but for its name.
 *
 * @throws MatrixError 400 `M_BAD_JSON`, 403 `M_FORBIDDEN`
 */
export function verifiedRecord(value: unknown): HomeRecord {
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
