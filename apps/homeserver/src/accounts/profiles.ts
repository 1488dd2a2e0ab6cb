import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Database } from '../storage/database.js';
import { AccountOps, type RemoteChange } from './account-ops.js';
import { ProfileStore } from './profile.store.js';
import { boundedCache } from '../storage/bounded-cache.js';

/** Bound of a whole profile (client-api "profiles", v1.16). */
const MAX_PROFILE_BYTES = 64 * 1024;
const MAX_CACHED = 10_000;

export interface Profile {
  readonly displayname?: string;
  readonly avatar_url?: string;
  readonly [field: string]: unknown;
}

/** Fields that stand in member events. */
export const isShownInRooms = (key: string): boolean => key === 'displayname' || key === 'avatar_url';

type ProfileListener = (userId: string, key: string) => Promise<void>;

/** The profiles of the accounts on this server; the ones in use are in memory. */
@Injectable()
export class Profiles implements OnModuleInit {
  readonly #cache = boundedCache<string, Profile>(MAX_CACHED);
  readonly #listeners = new Set<ProfileListener>();
  /** Counts changes: a profile that was read before one must not enter the cache after it. */
  #changes = 0;

  constructor(
    private readonly store: ProfileStore,
    private readonly ops: AccountOps,
    private readonly db: Database,
  ) {}

  onModuleInit(): void {
    this.ops.register('profile', {
      merge: 'last-writer',
      apply: (change) => this.#apply(change),
      snapshot: async (userId) => [...(await this.store.get(userId))].map(([key, value]) => ({ kind: 'profile', key, value })),
    });
  }

  /** The profile of an account on this server; empty for others. */
  async get(userId: string): Promise<Profile> {
    const cached = this.#cache.get(userId);
    if (cached) return cached;
    const changes = this.#changes;
    const profile = Object.freeze(Object.fromEntries(await this.store.get(userId))) as Profile;
    if (changes === this.#changes) this.#cache.set(userId, profile);
    return profile;
  }

  /**
   * Sets a field, or removes it when the value is undefined. Resolves when the listeners are through. The caller has checked
   * name and value (profile-field.ts). Nothing happens when the value is what it was.
   *
   * @throws MatrixError 400 M_PROFILE_TOO_LARGE
   */
  async set(userId: string, key: string, value: unknown): Promise<void> {
    const isChange = await this.db.transaction(async (tx) => {
      await this.store.lock(tx, userId);
      const profile = await this.store.get(userId, tx);
      if (JSON.stringify(profile.get(key)) === JSON.stringify(value)) return false;
      if (value === undefined) {
        await this.store.delete(tx, userId, key);
      } else {
        const size = Buffer.byteLength(JSON.stringify(Object.fromEntries(profile.set(key, value))));
        if (size > MAX_PROFILE_BYTES) throw new MatrixError(400, 'M_PROFILE_TOO_LARGE', 'The profile would exceed 64 KiB');
        await this.store.set(tx, userId, key, value);
      }
      if (isShownInRooms(key)) await this.store.noteChange(tx, userId);
      await this.ops.record(tx, userId, [{ kind: 'profile', key, value: value ?? null }]);
      tx.afterCommit(() => this.#forget(userId));
      return true;
    });
    if (isChange) await this.#tell(userId, key);
  }

  /** Called after a field was changed, here or at another home of the account. */
  onChanged(listener: ProfileListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #apply(change: RemoteChange): Promise<void> {
    const { userId, key, value } = change;
    await this.db.transaction(async (tx) => {
      if (value === null) await this.store.delete(tx, userId, key);
      else await this.store.set(tx, userId, key, value);
      if (isShownInRooms(key)) await this.store.noteChange(tx, userId);
      tx.afterCommit(() => this.#forget(userId));
    });
    await this.#tell(userId, key);
  }

  #forget(userId: string): void {
    this.#changes++;
    this.#cache.delete(userId);
  }

  async #tell(userId: string, key: string): Promise<void> {
    for (const listener of this.#listeners) await listener(userId, key);
  }
}
