import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Random } from '../observability/random.js';
import { isUniqueViolation } from '../storage/database-errors.js';
import { Database, type Reads, statement, type Transaction } from '../storage/database.js';
import { RegistrationToken } from './registration-token.entity.js';

const GRAMMAR = /^[A-Za-z0-9._~-]{1,64}$/;
const MAX_LISTED = 1_000;

const use = statement(
  'registration_token.use',
  `UPDATE registration_tokens SET used = used + 1
   WHERE token = $1 AND (uses_allowed IS NULL OR used < uses_allowed) AND (expires_ts IS NULL OR expires_ts > $2) RETURNING token`,
);

/** Tokens that let people register where registration is not open to everybody. */
@Injectable()
export class RegistrationTokens {
  readonly #tokens: Reads<RegistrationToken>;

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {
    this.#tokens = db.repository(RegistrationToken);
  }

  /** The latest first. */
  list(): Promise<RegistrationToken[]> {
    return this.#tokens.find({ order: { createdTs: 'DESC' }, take: MAX_LISTED });
  }

  async get(token: string): Promise<RegistrationToken | undefined> {
    return GRAMMAR.test(token) ? ((await this.#tokens.findOneBy({ token })) ?? undefined) : undefined;
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
    const made: RegistrationToken = { token, usesAllowed, used: 0, expiresTs, createdTs: this.clock.now() };
    try {
      await this.db.transaction((tx) => tx.repository(RegistrationToken).insert(made));
    } catch (error) {
      if (isUniqueViolation(error)) throw MatrixError.invalidParam('This token exists already');
      throw error;
    }
    return made;
  }

  /** Counts one registration, in its transaction. @throws MatrixError 403 M_FORBIDDEN when the token is no longer good */
  async use(tx: Transaction, token: string): Promise<void> {
    if ((await tx.query(use, [token, this.clock.now()])).length === 0) throw MatrixError.forbidden('This registration token is used up');
  }

  /** @returns false when there was none */
  async delete(token: string): Promise<boolean> {
    return (await this.db.transaction((tx) => tx.repository(RegistrationToken).delete({ token }))).affected === 1;
  }
}
