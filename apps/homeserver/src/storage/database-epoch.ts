import type { OnModuleDestroy } from '@nestjs/common';
import { streamNames, volatileStreams } from '../bus/bus.js';
import type { Clock } from '../observability/clock.js';
import type { Log } from '../observability/log.js';
import type { Random } from '../observability/random.js';
import type { Database } from './database.js';
import { databaseIdentity, isOtherCopy } from './database-identity.js';
import { EpochStore, type RunRow } from './epoch.store.js';
import { positionsBy, type Positions } from './positions-text.js';
import { RestoreWitness } from './restore-witness.js';
import { StreamPositions } from './stream-positions.js';

/** How it came out that the database was restored. */
export type RestoreCause = 'command' | 'database' | 'witness' | 'token' | 'head';

/** When a token was made. */
export interface Stamp {
  readonly epoch: string;
  readonly run: string;
}

/** What this database has of what a token says. */
export type Standing =
  | { readonly kind: 'held' }
  /** `end`: up to where it is held; null when that cannot be said. `isProof`: that the database is older is not known yet. */
  | { readonly kind: 'lost'; readonly end: Positions | null; readonly isProof: boolean };

/** Where the epoch began. */
export interface CurrentEpoch {
  readonly epoch: string;
  readonly cause: string;
  /** Milliseconds. */
  readonly beganTs: number;
}

interface Run {
  readonly epoch: string;
  ends: Positions | null;
}

const WITNESS_MS = 5_000;
/** The run of tokens of before there were runs. They are not signed, and prove nothing. */
export const UNSIGNED_RUN = '--------';

/**
 * Which history of the database this is (docs/protocol.md, "Restored from a backup"). Each start is a *run*; the database keeps
 * how far each got. A restored database has no end of the run that it was copied in, nor any run after it, so that whatever
 * names those is known to be of a future that was lost. A restore begins a new *epoch*.
 */
export class DatabaseEpoch implements OnModuleDestroy {
  readonly #runs = new Map<string, Run>();
  readonly #epochs = new Map<string, CurrentEpoch>();
  readonly #listeners = new Set<() => Promise<void>>();
  #current!: CurrentEpoch;
  #run!: string;
  #timer: NodeJS.Timeout | undefined;
  #changing: Promise<void> = Promise.resolve();

  /** @see DatabaseEpoch.open */
  constructor(
    private readonly db: Database,
    readonly positions: StreamPositions,
    readonly store: EpochStore,
    private readonly witness: RestoreWitness,
    private readonly identity: string,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly log: Log,
  ) {}

  /** @param folders where the witness is kept, and of the private cluster */
  static async open(
    parts: { db: Database; clock: Clock; random: Random; log: Log }, folders: { data: string; database: string | null },
  ): Promise<DatabaseEpoch> {
    const { db, clock, random, log } = parts;
    const identity = await databaseIdentity(db, folders.database);
    const witness = new RestoreWitness(folders.data);
    const epoch = new DatabaseEpoch(db, new StreamPositions(db), new EpochStore(db), witness, identity, clock, random, log);
    await epoch.#start();
    return epoch;
  }

  /** 128 random bits, URL-safe Base64. */
  get epoch(): string {
    return this.#current.epoch;
  }

  get current(): CurrentEpoch {
    return this.#current;
  }

  /** When a restore was noticed last; null for a database that never was restored. */
  get restoredTs(): number | null {
    return this.#current.cause === 'made' ? null : this.#current.beganTs;
  }

  /** 48 random bits, URL-safe Base64; another one after each start. */
  get run(): string {
    return this.#run;
  }

  /** Judges what a token says. Only what this server has signed may be judged here. */
  standing({ epoch, run }: Stamp, positions: Partial<Positions>): Standing {
    const known = this.#runs.get(run);
    if (!known) return { kind: 'lost', end: null, isProof: epoch === this.epoch || !this.#epochs.has(epoch) };
    const end = known.ends ?? positionsBy((name) => this.positions.given(name));
    if (streamNames.every((name) => volatileStreams.has(name) || (positions[name] ?? 0) <= end[name])) return { kind: 'held' };
    return { kind: 'lost', end, isProof: run !== UNSIGNED_RUN && known.epoch === this.epoch };
  }

  /** Called, and waited for, when a restore is noticed while the server runs. */
  onRestored(listener: () => Promise<void>): void {
    this.#listeners.add(listener);
  }

  /**
   * A restore is certain that was not known: a new epoch begins. Resolves when all has been put in order that has to be before
   * anybody is answered.
   *
   * @param proof what a token said; it proves nothing a second time
   */
  restored(cause: RestoreCause, proof?: Stamp): Promise<void> {
    const change = this.#changing.then(async () => {
      const isKnown = proof !== undefined && proof.epoch !== this.epoch && this.#epochs.has(proof.epoch);
      if (isKnown) return;
      const ends = positionsBy((name) => this.positions.given(name));
      await this.#begin(cause, { run: this.#run, ends }, proof);
      await this.positions.reopen();
      await this.#newRun();
      for (const listener of this.#listeners) await listener();
    });
    this.#changing = change.catch(() => undefined);
    return change;
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
    this.#testify();
  }

  async #start(): Promise<void> {
    for (const row of await this.store.epochs()) this.#epochs.set(row.epoch, row);
    const runs = await this.store.runs();
    for (const { run, epoch, ends } of runs) this.#runs.set(run, { epoch, ends });
    const last = runs[0];
    if (last) {
      const { used } = (await this.store.ends())!;
      this.#current = this.#epochs.get(last.epoch)!;
      const ends = positionsBy((name) => Math.max(used[name], last.starts[name]));
      this.#end(last.run, ends);
      const cause = this.#notice(last);
      if (cause === null) await this.store.endRun(this.db, last.run, ends);
      else await this.#begin(cause, { run: last.run, ends });
    } else await this.#found();
    await this.positions.open();
    await this.#newRun();
    this.#timer = setInterval(() => this.#testify(), WITNESS_MS).unref();
  }

  /** A database that is new, or of before there were epochs: then what was reserved is the end of what was given. */
  async #found(): Promise<void> {
    const epoch = this.random.token(16);
    const now = this.clock.now();
    const before = await this.store.ends();
    const none = positionsBy(() => 0);
    await this.db.transaction(async (tx) => {
      await this.store.putEpoch(tx, { epoch, cause: 'made', beganTs: now, parent: null });
      const row = { run: UNSIGNED_RUN, epoch, starts: none, ends: before?.reserved ?? none, identity: this.identity };
      await this.store.putRun(tx, row, now);
      this.#runs.set(row.run, { epoch, ends: row.ends });
    });
    this.#current = { epoch, cause: 'made', beganTs: now };
    this.#epochs.set(epoch, this.#current);
  }

  #notice(last: RunRow): RestoreCause | null {
    if (isOtherCopy(last.identity, this.identity)) return 'database';
    const seen = this.witness.read();
    if (!seen) return null;
    const standing = this.standing(seen, { ...seen.positions, typing: 0, presence: 0 });
    return standing.kind === 'lost' && standing.isProof ? 'witness' : null;
  }

  async #begin(cause: RestoreCause, ended: { run: string; ends: Positions }, proof?: Stamp): Promise<void> {
    const next = { epoch: this.random.token(16), cause, beganTs: this.clock.now() };
    const lost = proof && !this.#epochs.has(proof.epoch) ? { epoch: proof.epoch, cause: 'lost', beganTs: next.beganTs } : undefined;
    await this.db.transaction(async (tx) => {
      await this.store.endRun(tx, ended.run, ended.ends);
      await this.store.jump(tx);
      await this.store.putEpoch(tx, { ...next, parent: this.epoch });
      if (lost) await this.store.putEpoch(tx, { ...lost, parent: null });
    });
    this.#end(ended.run, ended.ends);
    for (const row of [next, ...(lost ? [lost] : [])]) this.#epochs.set(row.epoch, row);
    this.#current = next;
    this.log.warn(
      'the database was restored from a backup: what was done since is fetched from other servers where they have it;'
      + ' password changes, removed sessions and locked accounts since the backup are lost ("partyline admin end-sessions" ends all sessions)',
      { cause },
    );
  }

  async #newRun(): Promise<void> {
    const run = this.random.token(6);
    const starts = positionsBy((name) => this.positions.current(name));
    const row = { run, epoch: this.epoch, starts, ends: null, identity: this.identity };
    await this.store.putRun(this.db, row, this.clock.now());
    this.#runs.set(run, { epoch: this.epoch, ends: null });
    this.#run = run;
    this.#testify();
  }

  #end(run: string, ends: Positions): void {
    const known = this.#runs.get(run);
    if (known) known.ends = ends;
  }

  #testify(): void {
    this.witness.write({ epoch: this.epoch, run: this.run, positions: positionsBy((name) => this.positions.current(name)) });
  }
}
