import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AccountOps } from '../../accounts/account-ops.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Database } from '../../storage/database.js';
import { type ClaimedKey, type KeyClaim, OneTimeKeyStore, type SessionKey } from './one-time-key.store.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { RestoreTasks } from '../../storage/restore-tasks.js';

const MAX_KEYS = 2_000;
const MAX_CACHED = 50_000;
/** How long a claimed key is remembered: a client that got no answer to its upload repeats it within that time. */
const CLAIMED_MEMORY_MS = 7 * 24 * 3_600_000;

/** What `/sync` tells a device about its keys, as JSON texts. */
export interface KeyCounts {
  /** `{"signed_curve25519": 50}` */
  readonly oneTimeKeys: string;
  /** `["signed_curve25519"]` */
  readonly unusedFallback: string;
}

/** One-time and fallback keys of the devices of accounts on this server. */
@Injectable()
export class OneTimeKeys implements OnModuleInit {
  readonly #counts = boundedCache<string, KeyCounts | Promise<KeyCounts>>(MAX_CACHED);

  constructor(
    private readonly store: OneTimeKeyStore,
    private readonly ops: AccountOps,
    private readonly db: Database,
    private readonly restores: RestoreTasks,
    private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    // Which of them were handed out since the backup nobody knows. Devices are told that they have none, and upload others.
    await this.restores.register('one-time-keys', async () => {
      await this.store.spendAll(this.clock.now());
      this.#counts.clear();
    });
  }

  /**
   * Adds keys of a device. Keys that it has uploaded before change nothing, even if they have been claimed since.
   *
   * @throws MatrixError 400 M_INVALID_PARAM when a name is taken by another key; nothing is stored then
   */
  async upload(userId: string, deviceId: string, oneTime: readonly SessionKey[], fallback: readonly SessionKey[]): Promise<void> {
    if (oneTime.length === 0 && fallback.length === 0) return;
    await this.db.transaction(async (tx) => {
      await this.store.forgetClaimed(tx, userId, deviceId, this.clock.now() - CLAIMED_MEMORY_MS);
      const before = oneTime.length === 0 ? [] : await this.store.present(tx, userId, deviceId, oneTime);
      const known = new Map(before.map((key) => [`${key.algorithm}:${key.keyId}`, key.json]));
      const fresh = oneTime.filter((key) => {
        const present = known.get(`${key.algorithm}:${key.keyId}`);
        if (present !== undefined && present !== key.json) {
          throw MatrixError.invalidParam(`One-time key ${key.algorithm}:${key.keyId} exists already and is another`);
        }
        return present === undefined;
      });
      await this.store.insert(tx, userId, deviceId, fresh);
      const counts = Object.values(await this.store.counts(tx, userId, deviceId));
      if (counts.reduce((sum, n) => sum + n, 0) > MAX_KEYS) throw MatrixError.tooLarge('This device has too many one-time keys');
      for (const key of fallback) await this.store.putFallback(tx, userId, deviceId, key);
      await this.ops.record(tx, userId, fallback.map((key) => fallbackKeyOp(deviceId, key)));
      tx.afterCommit(() => this.changed(userId, deviceId));
    });
  }

  /** Unclaimed one-time keys of a device and its unused fallback keys. From memory unless they changed. */
  async counts(userId: string, deviceId: string): Promise<KeyCounts> {
    const key = `${userId}\0${deviceId}`;
    const held = this.#counts.get(key);
    if (held) return held;
    const loading = this.#load(userId, deviceId);
    this.#counts.set(key, loading);
    try {
      const counts = await loading;
      // They may have changed meanwhile.
      if (this.#counts.get(key) === loading) this.#counts.set(key, counts);
      return counts;
    } catch (error) {
      if (this.#counts.get(key) === loading) this.#counts.delete(key);
      throw error;
    }
  }

  /** The same, if it is in memory. */
  held(userId: string, deviceId: string): KeyCounts | undefined {
    const counts = this.#counts.get(`${userId}\0${deviceId}`);
    return counts instanceof Promise ? undefined : counts;
  }

  /**
   * Takes a key for each claim, of accounts on this server: a one-time key, which nobody gets again, else the fallback key.
   * Claims that cannot be met are missing in the result.
   */
  async claim(claims: readonly KeyClaim[]): Promise<ClaimedKey[]> {
    if (claims.length === 0) return [];
    return this.db.transaction(async (tx) => {
      const keys = await this.store.claim(tx, claims, this.clock.now());
      const met = new Set(keys.map(claimName));
      const missing = claims.filter((one) => !met.has(claimName(one)));
      if (missing.length > 0) keys.push(...(await this.store.claimFallback(tx, missing)));
      tx.afterCommit(() => {
        for (const { userId, deviceId } of keys) this.changed(userId, deviceId);
      });
      return keys;
    });
  }

  /** Forgets what is in memory about a device's keys, after they were changed. */
  changed(userId: string, deviceId: string): void {
    this.#counts.delete(`${userId}\0${deviceId}`);
  }

  async #load(userId: string, deviceId: string): Promise<KeyCounts> {
    // A client uploads when it is told of few keys, so it has to be told of none as well.
    const counts = { signed_curve25519: 0, ...(await this.store.counts(this.db, userId, deviceId)) };
    const unused = await this.store.unusedFallback(userId, deviceId);
    return { oneTimeKeys: JSON.stringify(counts), unusedFallback: JSON.stringify(unused) };
  }
}

/** The operation that tells other homes of a fallback key. */
export function fallbackKeyOp(deviceId: string, { algorithm, keyId, json }: SessionKey) {
  return { kind: 'fallback_key' as const, key: JSON.stringify([deviceId, algorithm]), value: { key_id: keyId, json } };
}

function claimName({ userId, deviceId, algorithm }: KeyClaim): string {
  return `${userId}\0${deviceId}\0${algorithm}`;
}
