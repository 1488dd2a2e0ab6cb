import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Database } from '../storage/database.js';
import { AccessTokenStore } from './access-token.store.js';
import { AccessTokens, hashOf, type IssuedTokens } from './access-tokens.js';

/**
 * Trades a refresh token for new tokens (client-api "refreshing access tokens"). The old one stays good until one of the new
 * ones is used, because the answer may have been lost on its way; then it dies, so that a stolen one is noticed.
 */
@Injectable()
export class RefreshTokens {
  constructor(
    private readonly store: AccessTokenStore,
    private readonly tokens: AccessTokens,
    private readonly db: Database,
  ) {}

  /** @throws MatrixError 401 M_UNKNOWN_TOKEN */
  async refresh(refreshToken: string): Promise<IssuedTokens> {
    const refreshHash = hashOf(refreshToken);
    return this.db.transaction(async (tx) => {
      const row = await this.store.lockRefresh(tx, refreshHash);
      if (!row) throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'Unknown refresh token', { soft_logout: true });
      const gone = await this.store.deleteUnused(tx, refreshHash);
      if (row.supersedes !== null) gone.push(...(await this.store.deleteSuperseded(tx, row.supersedes)));
      const device = { userId: row.user_id, deviceId: row.device_id, refreshable: true };
      tx.afterCommit(() => this.tokens.forget(gone));
      return this.tokens.issueIn(tx, device, refreshHash);
    });
  }
}
