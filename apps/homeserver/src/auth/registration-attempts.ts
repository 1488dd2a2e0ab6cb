import { Injectable } from '@nestjs/common';
import { Clock } from '../observability/clock.js';
import { boundedCache } from '../storage/bounded-cache.js';

const MAX_ATTEMPTS = 10_000;
const LIFETIME_MS = 30 * 60 * 1000;

interface Attempt {
  readonly parameters: object;
  readonly startedAt: number;
  /** The account that came of it. */
  readonly userId?: string;
}

/**
 * What somebody said in a session of registering: a client may say it once and then only prove itself (client-server API,
 * "User-interactive API in the REST API"), and may ask again when the answer got lost.
 */
@Injectable()
export class RegistrationAttempts {
  readonly #attempts = boundedCache<string, Attempt>(MAX_ATTEMPTS);

  constructor(private readonly clock: Clock) {}

  /** @param session id of the session of user-interactive authentication */
  get(session: string | undefined): Attempt | undefined {
    const attempt = session === undefined ? undefined : this.#attempts.get(session);
    return attempt && this.clock.steady() - attempt.startedAt <= LIFETIME_MS ? attempt : undefined;
  }

  remember(session: string, parameters: object, userId?: string): void {
    const startedAt = this.#attempts.get(session)?.startedAt ?? this.clock.steady();
    this.#attempts.set(session, { parameters, startedAt, ...(userId === undefined ? {} : { userId }) });
  }
}
