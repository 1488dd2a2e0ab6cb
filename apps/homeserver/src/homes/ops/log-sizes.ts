import { Injectable } from '@nestjs/common';
import { LOG_PREFIX_CHARACTERS, type AccountOperation } from '#federation';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { SharedRuns } from '../../observability/shared-runs.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { type KeySize, LogSizesStore, OPERATION_BYTES } from './log-sizes.store.js';

const MIB = 1024 * 1024;
/** Bytes. */
export interface LogBounds {
  /** What items keep of the logs of one home key: beyond it nothing of them is taken. */
  readonly kept: number;
  /** The same for what is written here, so that no other home has to refuse it. */
  readonly own: number;
  /** Of operations that were replaced, of one account: beyond it go those that were replaced within an hour, then the oldest, until half of it is left. */
  readonly replaced: number;
}
/** A full log is not measured more often. */
const REMEASURED_MS = 60_000;
const MAX_CACHED = 20_000;

interface Sizes {
  readonly byKey: Map<string, KeySize>;
  readonly measuredTs: number;
}

type Sized = Pick<AccountOperation, 'log' | 'key' | 'value' | 'after'>;

/** Bounds what the logs of an account take here, per home key, so that no home can use up what the others need (protocol §4). */
@Injectable()
export class LogSizes {
  /** Those of the protocol; tests set smaller ones. */
  bounds: LogBounds = { kept: 256 * MIB, own: 192 * MIB, replaced: 64 * MIB };
  readonly #sizes = boundedCache<string, Sizes>(MAX_CACHED);
  readonly #measuring = new SharedRuns<Sizes>();
  /** Bytes that came since it was last looked after what was replaced. */
  readonly #growth = boundedCache<string, number>(MAX_CACHED);
  readonly #trimming = new Set<string>();

  constructor(
    private readonly store: LogSizesStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Whether operations of another home fit, by what items kept at the last look and all that came since. */
  async admits(userId: string, ops: readonly Sized[]): Promise<boolean> {
    const known = this.#sizes.get(userId) ?? (await this.#measure(userId));
    if (fits(known, ops, this.bounds.kept)) return true;
    // What came since may have replaced what was there.
    return this.clock.now() - known.measuredTs >= REMEASURED_MS && fits(await this.#measure(userId), ops, this.bounds.kept);
  }

  /** The same for something that is about to be written here; at once, since its transaction is open. */
  admitsOwn(userId: string, ops: readonly Sized[]): boolean {
    const known = this.#sizes.get(userId);
    const isFull = known !== undefined && !fits(known, ops, this.bounds.own);
    if (known === undefined || (isFull && this.clock.now() - known.measuredTs >= REMEASURED_MS)) this.#measureLater(userId);
    return !isFull;
  }

  /** Called after operations were committed. */
  added(userId: string, ops: readonly Sized[]): void {
    const sizes = this.#sizes.get(userId);
    let grown = this.#growth.get(userId) ?? 0;
    for (const [key, bytes] of bytesByKey(ops)) {
      const { total, kept } = sizes?.byKey.get(key) ?? { total: 0, kept: 0 };
      sizes?.byKey.set(key, { total: total + bytes, kept: kept + bytes });
      grown += bytes;
    }
    this.#growth.set(userId, grown);
    if (grown < this.bounds.replaced / 2 || this.#trimming.has(userId)) return;
    this.#trimming.add(userId);
    this.#growth.set(userId, 0);
    this.#trim(userId).catch((error: unknown) => this.log.error('old operations could not be dropped', error, { userId }))
      .finally(() => this.#trimming.delete(userId));
  }

  async #trim(userId: string): Promise<void> {
    if (replaced(await this.#measure(userId)) <= this.bounds.replaced) return;
    await this.store.thin(userId);
    if (replaced(await this.#measure(userId)) <= this.bounds.replaced) return;
    await this.store.trim(userId, this.bounds.replaced / 2);
    await this.#measure(userId);
  }

  #measureLater(userId: string): void {
    this.#measure(userId).catch((error: unknown) => this.log.error('a log could not be measured', error, { userId }));
  }

  #measure(userId: string): Promise<Sizes> {
    return this.#measuring.run(userId, async () => {
      const sizes = { byKey: await this.store.byKey(userId, LOG_PREFIX_CHARACTERS), measuredTs: this.clock.now() };
      this.#sizes.set(userId, sizes);
      return sizes;
    });
  }
}

function replaced({ byKey }: Sizes): number {
  return [...byKey.values()].reduce((sum, { total, kept }) => sum + total - kept, 0);
}

function fits({ byKey }: Sizes, ops: readonly Sized[], max: number): boolean {
  return [...bytesByKey(ops)].every(([key, bytes]) => (byKey.get(key)?.kept ?? 0) + bytes <= max);
}

function bytesByKey(ops: readonly Sized[]): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const { log, key, value, after } of ops) {
    const prefix = log.slice(0, LOG_PREFIX_CHARACTERS);
    const places = Object.values(after).reduce((sum, list) => sum + list.length, 0);
    bytes.set(prefix, (bytes.get(prefix) ?? 0) + Buffer.byteLength(value) + Buffer.byteLength(key) + OPERATION_BYTES + places * 60 + Object.keys(after).length * 50);
  }
  return bytes;
}
