import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Random } from '../observability/random.js';
import type { Transaction } from '../storage/database.js';
import { type RegistrationToken, RegistrationTokenStore } from './registration-token.store.js';

const GRAMMAR = /^[A-Za-z0-9._~-]{1,64}$/;

/** Tokens that let people register where registration is not open to everybody. */
@Injectable()
export class RegistrationTokens {
  constructor(
    private readonly store: RegistrationTokenStore,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  list(): Promise<RegistrationToken[]> {
    return this.store.list();
  }

  get(token: string): Promise<RegistrationToken | undefined> {
    return GRAMMAR.test(token) ? this.store.get(token) : Promise.resolve(undefined);
  }

  async isValid(token: string): Promise<boolean> {
    const found = await this.get(token);
    if (!found) return false;
    const { usesAllowed, used, expiresTs } = found;
    return (usesAllowed === null || used < usesAllowed) && (expiresTs === null || expiresTs > this.clock.now());
  }

  /** @throws MatrixError 400 M_INVALID_PARAM when the token is malformed or taken */
  async create(options: { token?: string; usesAllowed?: number | null; expiresTs?: number | null }): Promise<RegistrationToken> {
    const { token = this.random.token(12), usesAllowed = null, expiresTs = null } = options;
    if (!GRAMMAR.test(token)) throw MatrixError.invalidParam('A token has 1 to 64 characters of A-Z a-z 0-9 . _ ~ -');
    if (!(await this.store.insert(token, usesAllowed, expiresTs, this.clock.now()))) {
      throw MatrixError.invalidParam('This token exists already');
    }
    return { token, usesAllowed, used: 0, expiresTs };
  }

  /** Counts one registration, in its transaction. @throws MatrixError 403 M_FORBIDDEN when the token is no longer good */
  async use(tx: Transaction, token: string): Promise<void> {
    if (!(await this.store.use(tx, token, this.clock.now()))) throw MatrixError.forbidden('This registration token is used up');
  }

  delete(token: string): Promise<boolean> {
    return this.store.delete(token);
  }
}
