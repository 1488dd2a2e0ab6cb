import { Injectable } from '@nestjs/common';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { Database, statement } from '../../storage/database.js';

// Whoever is in the state of a room here, invited ones too, and whom this server has offered itself to as a home.
const selectKnown = statement(
  'acquaintances.known',
  `SELECT 1 FROM current_state WHERE type = 'm.room.member' AND state_key = $1
   UNION ALL SELECT 1 FROM home_keys WHERE user_id = $1 LIMIT 1`,
);

/** Records and bytes of strangers that one server may bring at once, and per minute from then on. */
const BURST = { records: 50, bytes: 256 * 1024 };
const PER_MINUTE = { records: 60, bytes: 256 * 1024 };

interface Allowance {
  records: number;
  bytes: number;
  at: number;
}

/** Who matters to somebody here, and how much is taken of the others: records cost their sender (protocol §2). */
@Injectable()
export class Acquaintances {
  readonly #allowances = boundedCache<string, Allowance>(50_000);

  constructor(
    private readonly directory: AccountDirectory,
    private readonly db: Database,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** Whether the account lives here, shares a room, is a contact, or has asked to come here. */
  async includes(userId: string): Promise<boolean> {
    return this.directory.has(userId) || (await this.db.query(selectKnown, [userId])).length > 0;
  }

  /**
   * Counts the record of a stranger against who brought it.
   *
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` with `retry_after_ms`
   */
  charge(bringer: string, bytes: number): void {
    if (!this.config.rateLimits) return;
    const now = this.clock.steady();
    const before = this.#allowances.get(bringer) ?? { ...BURST, at: now };
    const minutes = Math.max(0, now - before.at) / 60_000;
    const allowance = {
      records: Math.min(BURST.records, before.records + minutes * PER_MINUTE.records),
      bytes: Math.min(BURST.bytes, before.bytes + minutes * PER_MINUTE.bytes),
      at: now,
    };
    this.#allowances.set(bringer, allowance);
    const lacking = Math.max((1 - allowance.records) / PER_MINUTE.records, (bytes - allowance.bytes) / PER_MINUTE.bytes);
    if (lacking > 0) {
      const wait = Math.ceil(lacking * 60_000);
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many records of accounts that nobody here knows', { retry_after_ms: wait });
    }
    allowance.records -= 1;
    allowance.bytes -= bytes;
  }
}
