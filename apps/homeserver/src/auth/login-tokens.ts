import { hash } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { LessThanOrEqual } from 'typeorm';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Random } from '../observability/random.js';
import { Database } from '../storage/database.js';
import { LoginToken } from './login-token.entity.js';
import { LoginTypes } from './login-types.js';

const LIFETIME_MS = 120_000;

/**
 * `m.login.token`, by tokens that somebody who is logged in has made for a further client of his (client-server API,
 * `POST /login/get_token`). A token is of the home that made it: the other client is told where.
 */
@Injectable()
export class LoginTokens implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly types: LoginTypes,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  onModuleInit(): void {
    this.types.register('m.login.token', {
      flow: { get_login_token: true },
      login: async ({ token }) => ({ userId: await this.#take(token) }),
    });
  }

  /** Its owner has proven himself; one token at a time for each account. */
  async make(userId: string): Promise<{ readonly login_token: string; readonly expires_in_ms: number }> {
    const token = this.random.token();
    const now = this.clock.now();
    await this.db.transaction(async (tx) => {
      const tokens = tx.repository(LoginToken);
      await tokens.delete([{ userId }, { expiresTs: LessThanOrEqual(now) }]);
      await tokens.insert({ tokenHash: hash('sha256', token), userId, expiresTs: now + LIFETIME_MS });
    });
    return { login_token: token, expires_in_ms: LIFETIME_MS };
  }

  /** @throws MatrixError 400 M_BAD_JSON; 403 M_FORBIDDEN for a token that is unknown, used or too old */
  async #take(token: unknown): Promise<string> {
    if (typeof token !== 'string') throw MatrixError.badJson('A token is needed');
    const tokenHash = hash('sha256', token);
    const found = await this.db.transaction(async (tx) => {
      const tokens = tx.repository(LoginToken);
      const row = await tokens.findOneBy({ tokenHash });
      // Of two that come at once, one deletes it.
      return row && (await tokens.delete({ tokenHash })).affected === 1 ? row : undefined;
    });
    const now = this.clock.now();
    if (!found || found.expiresTs <= now || found.expiresTs > now + LIFETIME_MS) throw MatrixError.forbidden('This token is unknown, used or too old');
    return found.userId;
  }
}
