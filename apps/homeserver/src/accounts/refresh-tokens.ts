import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { boundedCache } from '../storage/bounded-cache.js';
import { Database, type Transaction } from '../storage/database.js';
import { AccessTokenStore } from './access-token.store.js';
import { AccessTokens, hashOf, type IssuedTokens } from './access-tokens.js';
import { placeOf } from './refresh-token.js';

/** How long the same answer is given again: to the tabs of a browser that ask at once, and to who has not got it. */
const REPEATED_MS = 30_000;
const MAX_REPEATED = 10_000;

/**
 * Trades a refresh token for new tokens (client-api "refreshing access tokens"). The old one stays good until one of the new
 * ones is used, because the answer may have been lost on its way; then it dies, and whoever brings it again ends the session: one of
 * the two has stolen it.
 */
@Injectable()
export class RefreshTokens {
  /** By the hash of the token that was handed in. */
  readonly #given = boundedCache<string, { until: number; issued: Promise<IssuedTokens> }>(MAX_REPEATED);

  constructor(
    private readonly store: AccessTokenStore,
    private readonly tokens: AccessTokens,
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws MatrixError 401 M_UNKNOWN_TOKEN */
  async refresh(refreshToken: string): Promise<IssuedTokens> {
    const refreshHash = hashOf(refreshToken);
    this.#forgetOld();
    const given = this.#given.get(refreshHash);
    if (given && given.until > this.clock.steady()) {
      const issued = await given.issued.catch(() => undefined);
      // The session may have ended, or gone on, meanwhile.
      if (issued && (await this.store.get(hashOf(issued.accessToken)))) return issued;
    }
    const issued = this.#trade(refreshToken, refreshHash);
    const entry = { until: this.clock.steady() + REPEATED_MS, issued };
    this.#given.set(refreshHash, entry);
    issued.catch(() => {
      if (this.#given.get(refreshHash) === entry) this.#given.delete(refreshHash);
    });
    return issued;
  }

  /** Tokens are nowhere else but with their clients. */
  #forgetOld(): void {
    const now = this.clock.steady();
    for (const hash of this.#given.rkeys()) {
      if (this.#given.peek(hash)!.until > now) return;
      this.#given.delete(hash);
    }
  }

  async #trade(refreshToken: string, refreshHash: string): Promise<IssuedTokens> {
    const issued = await this.db.transaction(async (tx) => {
      const row = await this.store.lockRefresh(tx, refreshHash);
      if (!row) {
        await this.#endIfSpent(tx, refreshToken);
        return null;
      }
      const gone = await this.store.deleteUnused(tx, refreshHash);
      if (row.supersedes !== null) gone.push(...(await this.store.deleteSuperseded(tx, row.supersedes)));
      const device = { userId: row.user_id, deviceId: row.device_id, refreshable: true };
      tx.afterCommit(() => this.tokens.forget(gone));
      return this.tokens.issueIn(tx, device, refreshToken);
    });
    if (!issued) throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'Unknown refresh token', { soft_logout: true });
    return issued;
  }

  /** One that was given out and never used is not: another answer took its place. */
  async #endIfSpent(tx: Transaction, refreshToken: string): Promise<void> {
    const brought = placeOf(refreshToken);
    const newest = brought && (await this.store.newestOfLine(tx, hashOf(brought.line)));
    if (!newest || newest.place <= brought.place) return;
    const gone = await this.store.deleteOfDevices(tx, newest.user_id, [newest.device_id]);
    tx.afterCommit(() => this.tokens.forget(gone));
  }
}
