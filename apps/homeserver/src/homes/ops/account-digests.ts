import { Injectable } from '@nestjs/common';
import { bucketHash, bucketOf, DIGEST_BUCKETS, digestRoot, type HeldOperation } from '#federation';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { type ItemName, OperationsStore } from './operations.store.js';

const DAY_MS = 24 * 3_600_000;
/** Removals and messages are kept for 90 days; homes whose clocks differ must not compare what one has dropped already. */
const COMPARED_MS = 80 * DAY_MS;
/** A digest takes 11 kilobytes. */
const MAX_CACHED = 2_000;

interface Digest {
  readonly horizon: number;
  readonly hashes: string[];
  /** Buckets that have changed since. */
  readonly dirty: Set<number>;
}

/** Hashes of all that an account's items keep, in 256 buckets (protocol §4): homes with equal ones hold the same. */
@Injectable()
export class AccountDigests {
  readonly #digests = boundedCache<string, Digest>(MAX_CACHED);

  constructor(
    private readonly store: OperationsStore,
    private readonly clock: Clock,
  ) {}

  /** Before which time removals and messages are not compared: the same for homes of one day. */
  horizon(): number {
    return (Math.floor(this.clock.now() / DAY_MS) * DAY_MS) - COMPARED_MS;
  }

  /** The horizon that another home proposes, where it is near this one's. */
  agreed(given: unknown): number {
    const own = this.horizon();
    return Number.isSafeInteger(given) && Math.abs((given as number) - own) <= 5 * DAY_MS ? (given as number) : own;
  }

  /** Called after operations were committed. */
  touch(list: readonly HeldOperation[]): void {
    for (const { op } of list) this.touchItems(op.user_id, [op]);
  }

  touchItems(userId: string, list: readonly ItemName[]): void {
    const dirty = this.#digests.get(userId)?.dirty;
    if (dirty) for (const { kind, key } of list) dirty.add(bucketOf(kind, key));
  }

  forget(userId: string): void {
    this.#digests.delete(userId);
  }

  async of(userId: string, horizon: number): Promise<{ root: string; buckets: readonly string[] }> {
    let digest = this.#digests.get(userId);
    if (digest?.horizon !== horizon) {
      digest = { horizon, hashes: Array.from({ length: DIGEST_BUCKETS }, () => ''), dirty: new Set(Array.from({ length: DIGEST_BUCKETS }, (_, i) => i)) };
      this.#digests.set(userId, digest);
    }
    const due = [...digest.dirty];
    if (due.length > 0) {
      // Cleared before the question: what is committed meanwhile marks its bucket again.
      digest.dirty.clear();
      try {
        const found = await this.store.buckets(userId, due, horizon);
        for (const bucket of due) digest.hashes[bucket] = bucketHash(found.get(bucket) ?? []);
      } catch (error) {
        for (const bucket of due) digest.dirty.add(bucket);
        throw error;
      }
    }
    return { root: digestRoot(digest.hashes), buckets: [...digest.hashes] };
  }
}
