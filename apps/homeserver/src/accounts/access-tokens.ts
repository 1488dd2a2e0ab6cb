import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Random } from '../observability/random.js';
import { Database, type Queryable, type Transaction } from '../storage/database.js';
import { AccessTokenStore } from './access-token.store.js';
import type { Requester } from './requester.js';
import { newRefreshToken, placeOf } from './refresh-token.js';
import { boundedCache } from '../storage/bounded-cache.js';

/** Sessions in memory: about 300 bytes each. */
const MAX_CACHED = 50_000;
/** How long an access token lives that came with a refresh token. */
const REFRESHABLE_LIFETIME_MS = 60 * 60 * 1000;
/** No token of ours is longer; longer ones are not even hashed. */
const MAX_TOKEN_LENGTH = 512;

export interface IssuedTokens {
  readonly accessToken: string;
  /** With `refreshable` only. */
  readonly refreshToken?: string;
  readonly expiresInMs?: number;
}

interface Session {
  readonly requester: Requester;
  readonly expiresTs: number | null;
}

/** Access tokens: who is behind one, handing out, taking back. Stored and cached by their hash. */
@Injectable()
export class AccessTokens {
  readonly #sessions = boundedCache<string, Session>(MAX_CACHED);
  readonly #loading = new Map<string, Promise<Requester | undefined>>();
  readonly #listeners = new Set<(tokenHashes: readonly string[]) => void>();
  /** Counts revocations: a row that was read before one must not enter the cache after it. */
  #revocations = 0;

  constructor(
    private readonly store: AccessTokenStore,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** @returns undefined for a token that has to be looked up, see `authenticate`; throws as that does */
  known(token: string): Requester | undefined {
    const session = token.length > MAX_TOKEN_LENGTH ? undefined : this.#sessions.get(hashOf(token));
    return session && this.#unexpired(session);
  }

  /**
   * No query for a token that was seen lately.
   *
   * @returns undefined for tokens that are unknown here
   * @throws MatrixError 401 M_UNKNOWN_TOKEN with `soft_logout` when the token has expired and can be refreshed
   */
  async authenticate(token: string): Promise<Requester | undefined> {
    if (token.length > MAX_TOKEN_LENGTH) return undefined;
    const tokenHash = hashOf(token);
    const session = this.#sessions.get(tokenHash);
    if (session) return this.#unexpired(session);
    let loading = this.#loading.get(tokenHash);
    if (!loading) {
      loading = this.#load(tokenHash).finally(() => this.#loading.delete(tokenHash));
      this.#loading.set(tokenHash, loading);
    }
    return loading;
  }

  /** Makes a token for a device. Tokens that the device had stay; see `revokeDevice`. */
  async issue(input: { userId: string; deviceId: string | null; refreshable?: boolean }): Promise<IssuedTokens> {
    return this.issueIn(this.db, input, null);
  }

  /** As `issue`, within a transaction, in place of a refresh token that was handed in. */
  async issueIn(
    db: Queryable,
    input: { userId: string; deviceId: string | null; refreshable?: boolean },
    before: string | null,
  ): Promise<IssuedTokens> {
    const { userId, deviceId } = input;
    const refreshable = input.refreshable === true && deviceId !== null;
    const accessToken = `plt_${this.random.token(32)}`;
    const refreshToken = refreshable ? newRefreshToken(before, (bytes) => this.random.token(bytes)) : undefined;
    const place = refreshToken === undefined ? undefined : placeOf(refreshToken);
    const createdTs = this.clock.now();
    await this.store.insert(db, {
      userId,
      deviceId,
      accessHash: hashOf(accessToken),
      refreshHash: refreshToken === undefined ? null : hashOf(refreshToken),
      createdTs,
      line: place === undefined ? null : hashOf(place.line),
      place: place?.place ?? 0,
      expiresTs: refreshable ? createdTs + REFRESHABLE_LIFETIME_MS : null,
      supersedes: before === null ? null : hashOf(before),
    });
    return refreshToken === undefined ? { accessToken } : { accessToken, refreshToken, expiresInMs: REFRESHABLE_LIFETIME_MS };
  }

  async revoke(tokenHash: string): Promise<void> {
    await this.#end(async (tx) => {
      await this.store.deleteOne(tx, tokenHash);
      return [tokenHash];
    });
  }

  async revokeDevice(userId: string, deviceId: string): Promise<void> {
    await this.#end((tx) => this.store.deleteOfDevices(tx, userId, [deviceId]));
  }

  /** @param except hash of a token that stays valid */
  async revokeAll(userId: string, options: { except?: string } = {}): Promise<void> {
    await this.#end((tx) => this.store.deleteOfUser(tx, userId, options.except ?? null));
  }

  /** Ends every session of every account. @returns how many */
  async revokeEverybody(): Promise<number> {
    return (await this.#end((tx) => this.store.deleteAll(tx))).length;
  }

  /** Called with the hashes of tokens that are no longer valid, so that open connections can be closed. */
  onRevoked(listener: (tokenHashes: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #end(remove: (tx: Transaction) => Promise<string[]>): Promise<string[]> {
    return this.db.transaction(async (tx) => {
      const hashes = await remove(tx);
      tx.afterCommit(() => this.forget(hashes));
      return hashes;
    });
  }

  /** Drops tokens that the caller deleted from the database: after the commit. */
  forget(tokenHashes: readonly string[]): void {
    this.#revocations++;
    if (tokenHashes.length === 0) return;
    for (const tokenHash of tokenHashes) this.#sessions.delete(tokenHash);
    for (const listener of this.#listeners) listener(tokenHashes);
  }

  /** Reads the account's sessions anew, because its flags changed. Walks the cache: for rare events only. */
  reload(userId: string): void {
    this.#revocations++;
    for (const [tokenHash, session] of this.#sessions.entries()) {
      if (session.requester.userId === userId) this.#sessions.delete(tokenHash);
    }
  }

  #unexpired(session: Session): Requester {
    if (session.expiresTs !== null && session.expiresTs <= this.clock.now()) {
      throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'The access token has expired', { soft_logout: true });
    }
    return session.requester;
  }

  async #load(tokenHash: string): Promise<Requester | undefined> {
    const revocations = this.#revocations;
    const row = await this.store.get(tokenHash);
    if (!row) return undefined;
    const requester: Requester = {
      userId: row.user_id,
      deviceId: row.device_id,
      isGuest: row.is_guest,
      isAdmin: row.is_admin,
      isSuspended: row.is_suspended,
      isLocked: row.is_locked,
      tokenHash,
      ...(row.expires_ts === null ? {} : { expiresTs: row.expires_ts }),
      ...(row.appservice_id === null ? {} : { appserviceId: row.appservice_id }),
    };
    const session = { requester, expiresTs: row.expires_ts };
    this.#unexpired(session);
    if (revocations === this.#revocations) this.#sessions.set(tokenHash, session);
    if (row.supersedes !== null) {
      const old = row.supersedes;
      await this.#end((tx) => this.store.deleteSuperseded(tx, old));
    }
    return requester;
  }
}

/** Base64url of the SHA-256 of a token. Tokens have 256 bits of entropy, so a plain hash is enough. */
export function hashOf(token: string): string {
  return hash('sha256', token, 'base64url');
}
