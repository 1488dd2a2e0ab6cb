import { Injectable } from '@nestjs/common';
import { AccessTokens } from '../accounts/access-tokens.js';
import { Devices } from '../accounts/devices.js';
import { DatabaseEpoch } from '../storage/database-epoch.js';
import { Clock } from '../observability/clock.js';
import type { Requester } from '../accounts/requester.js';
import { MatrixError } from '../errors/matrix-error.js';

/** What is known of a request besides its token. */
export interface RequestFacts {
  readonly address: string;
  readonly userAgent: string | undefined;
  /** Query parameters; application services say there whom they act as. */
  readonly query: Readonly<Record<string, unknown>>;
}

/** Knows tokens that are no account's own; undefined for tokens that are not of its kind. */
export type TokenSource = (token: string, facts: RequestFacts) => Promise<Requester | undefined>;

/** Sessions that a restored database lacks are looked for that long. */
const LOST_SESSIONS_MS = 30 * 24 * 3_600_000;

/** Undefined when an account may be served now; else resolves when that is known (docs/protocol.md, §2). */
export type ServingGuard = (userId: string) => Promise<void> | undefined;

/** From a token to the account that it speaks for. */
@Injectable()
export class Authenticator {
  readonly #sources: TokenSource[] = [];
  #guard: ServingGuard = () => undefined;

  constructor(
    private readonly tokens: AccessTokens,
    private readonly devices: Devices,
    private readonly epoch: DatabaseEpoch,
    private readonly clock: Clock,
  ) {}

  /** Adds a kind of token (application services). Called when the server starts. */
  addSource(source: TokenSource): void {
    this.#sources.push(source);
  }

  /** Sets what has to be known before a session goes on. Called when the server starts. */
  guard(guard: ServingGuard): void {
    this.#guard = guard;
  }

  /**
   * A known token costs no query, and no turn of the event loop.
   *
   * @throws MatrixError 401 M_UNKNOWN_TOKEN, or rejects with it
   */
  authenticate(token: string, facts: RequestFacts): Requester | Promise<Requester> {
    const known = this.tokens.known(token);
    const waiting = known && this.#guard(known.userId);
    return known && !waiting ? this.#seen(known, facts) : this.#learn(token, facts, waiting);
  }

  #seen(requester: Requester, { address, userAgent }: RequestFacts): Requester {
    if (requester.deviceId !== null) this.devices.touch(requester.userId, requester.deviceId, address, userAgent);
    return requester;
  }

  async #learn(token: string, facts: RequestFacts, waiting: Promise<void> | undefined): Promise<Requester> {
    await waiting;
    const requester = await this.#account(token);
    if (requester) return this.#seen(requester, facts);
    for (const source of this.#sources) {
      const other = await source(token, facts);
      if (other) return other;
    }
    throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'Unknown access token', { soft_logout: this.#mayBeLost() });
  }

  /** A session of after a backup that was restored since: its owner logs in again and keeps what his device has. */
  #mayBeLost(): boolean {
    const { restoredTs } = this.epoch;
    return restoredTs !== null && this.clock.now() - restoredTs < LOST_SESSIONS_MS;
  }

  async #account(token: string): Promise<Requester | undefined> {
    const requester = await this.tokens.authenticate(token);
    const waiting = requester && this.#guard(requester.userId);
    if (!waiting) return requester;
    await waiting;
    // The session may have ended by what was learnt.
    return this.tokens.authenticate(token);
  }
}
