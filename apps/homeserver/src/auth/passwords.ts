import { Injectable } from '@nestjs/common';
import { hash, type Options, verify } from '@node-rs/argon2';
import { Config } from '../config/config.js';
import { Clock } from '../observability/clock.js';
import { TokenBuckets } from '../observability/token-buckets.js';
import { MatrixError } from '../errors/matrix-error.js';

/** One rule for all ways to a password: registration, change, the set-up page (apps/web/src/check-account.ts), the operator. */
const MIN_PASSWORD_LENGTH = 8;
const MAX_PASSWORD_BYTES = 512;
/** Hashes that are computed at once: they would keep the thread pool from everything else, signatures for one. */
const MAX_RUNNING = 2;
const MAX_WAITING = 200;
/** Wrong passwords for one account, wherever they are tried and from how many addresses. */
const GUESSES = { perSecond: 0.1, burst: 5 };
const MAX_GUESSED = 50_000;

/** argon2id, the library's default algorithm. `normal` follows OWASP's password storage cheat sheet. */
const costs: Record<Config['passwordCost'], Options> = {
  normal: { memoryCost: 19_456, timeCost: 2, parallelism: 1 },
  cheap: { memoryCost: 8, timeCost: 1, parallelism: 1 },
};

/** Hashes and checks passwords, off the main thread. */
@Injectable()
export class Passwords {
  readonly #cost: Options;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #decoy: Promise<string> | undefined;
  readonly #guesses: TokenBuckets;

  constructor(
    private readonly config: Config,
    clock: Clock,
  ) {
    this.#cost = costs[config.passwordCost];
    this.#guesses = new TokenBuckets(clock, MAX_GUESSED);
  }

  /** @throws MatrixError 400 M_INVALID_PARAM or M_WEAK_PASSWORD */
  async hash(password: string): Promise<string> {
    // By code point, as a person counts.
    if ([...password].length < MIN_PASSWORD_LENGTH) {
      throw new MatrixError(400, 'M_WEAK_PASSWORD', `The password is too short: it needs at least ${MIN_PASSWORD_LENGTH} characters`);
    }
    if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) {
      throw MatrixError.invalidParam(`The password is longer than ${MAX_PASSWORD_BYTES} bytes`);
    }
    return this.#turn(() => hash(password, this.#cost));
  }

  /**
   * Checks a password. Every wrong one counts against the account, whoever asks for what.
   *
   * @param userId whose password it is said to be; there need not be such an account
   * @param stored null for unknown accounts and those without a password: takes as long, and is false
   * @throws MatrixError 429 M_LIMIT_EXCEEDED after too many wrong ones, unless the operator switched limits off
   */
  async verify(userId: string, stored: string | null, password: string): Promise<boolean> {
    // Taken before it is known to be wrong: guesses at the same time count, too.
    const wait = this.config.rateLimits ? this.#guesses.take(userId, GUESSES) : 0;
    if (wait > 0) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many wrong passwords', { retry_after_ms: wait });
    const isRight = await this.#matches(stored, password);
    if (isRight) this.#guesses.giveBack(userId, GUESSES);
    return isRight;
  }

  #matches(stored: string | null, password: string): Promise<boolean> {
    const isPossible = stored !== null && Buffer.byteLength(password) <= MAX_PASSWORD_BYTES;
    return this.#turn(async () => {
      this.#decoy ??= hash('decoy', this.#cost);
      const matches = await verify(isPossible ? stored : await this.#decoy, isPossible ? password : 'guess');
      return isPossible && matches;
    });
  }

  async #turn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_RUNNING) {
      if (this.#waiting.length >= MAX_WAITING) {
        throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many logins at once', { retry_after_ms: 5000 });
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      // The turn passes on directly, so that nobody slips in between.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
