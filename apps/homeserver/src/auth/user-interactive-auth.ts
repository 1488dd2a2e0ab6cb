import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { Account } from '../accounts/account.js';
import { AccountDirectory } from '../accounts/account-directory.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Random } from '../observability/random.js';
import { UiaChallenge } from './uia-challenge.js';
import { boundedCache } from '../storage/bounded-cache.js';

const MAX_SESSIONS = 10_000;
const SESSION_LIFETIME_MS = 30 * 60 * 1000;
/** Wrong answers after which a session is over. */
const MAX_FAILURES = 10;

/** The `auth` member of a request's body. */
export const authDataSchema = z.looseObject({ type: z.string().max(255).optional(), session: z.string().max(255).optional() });
export type AuthData = z.output<typeof authDataSchema>;

/** One kind of proof. */
export interface UiaStage {
  /** True if the stage alone shows that its caller owns the account; such stages are offered by `accountFlows`. */
  readonly provesOwner?: (account: Account) => boolean;
  /**
   * Checks the proof; what it returns is kept in the session.
   *
   * @throws MatrixError when the proof is wrong
   */
  run(auth: AuthData, userId: string | null): Promise<unknown>;
}

export interface UiaRequest {
  /** What is to be done, e.g. `delete-devices`: a session is good for that only. */
  readonly operation: string;
  /** Account on whose behalf it is done; null when there is none yet. */
  readonly userId: string | null;
  readonly auth: AuthData | undefined;
  /** Alternatives, each a list of stages. */
  readonly flows: readonly (readonly string[])[];
  readonly params?: Readonly<Record<string, unknown>>;
}

interface UiaSession {
  readonly operation: string;
  readonly userId: string | null;
  readonly results: Map<string, unknown>;
  readonly startedAt: number;
  failures: number;
}

/** User-interactive authentication (client-api of that name): sessions in memory, stages that other folders add. */
@Injectable()
export class UserInteractiveAuth {
  readonly #stages = new Map<string, UiaStage>();
  readonly #sessions = boundedCache<string, UiaSession>(MAX_SESSIONS);

  constructor(
    private readonly directory: AccountDirectory,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  /** Adds a stage. Called when the server starts. */
  registerStage(type: string, stage: UiaStage): void {
    this.#stages.set(type, stage);
  }

  /**
   * Demands proof that the caller owns the account, by any of the ways that the account has. For controllers whose route
   * has a token already (deleting devices, uploading cross-signing keys).
   */
  async confirmOwner(operation: string, userId: string, auth: AuthData | undefined): Promise<void> {
    await this.complete({ operation, userId, auth, flows: await this.accountFlows(userId) });
  }

  /** One flow of one stage for each way in which the account can prove itself. */
  async accountFlows(userId: string): Promise<string[][]> {
    const account = await this.directory.get(userId);
    const flows = [...this.#stages].filter(([, stage]) => account && stage.provesOwner?.(account)).map(([type]) => [type]);
    // Guests and accounts of application services have nothing but their token.
    return flows.length > 0 ? flows : [['m.login.dummy']];
  }

  /**
   * Resolves when the request's `auth` completes one of the flows.
   *
   * @returns what the stages of the session returned, by type
   * @throws UiaChallenge otherwise
   */
  async complete(request: UiaRequest): Promise<ReadonlyMap<string, unknown>> {
    const { auth } = request;
    if (!auth) throw this.#challenge(request, ...this.#start(request));
    const given = auth.session === undefined ? undefined : this.#find(auth.session, request);
    if (auth.session !== undefined && !given) {
      throw this.#challenge(request, ...this.#start(request), MatrixError.unknown(401, 'Unknown or expired session'));
    }
    // A client that knows what is asked for may answer at once, without a session.
    const [id, session] = given ? [auth.session!, given] : this.#start(request);
    if (auth.type !== undefined) await this.#runStage(request, id, session, auth, auth.type);
    const isDone = request.flows.some((stages) => stages.every((stage) => session.results.has(stage)));
    if (!isDone) throw this.#challenge(request, id, session);
    this.#sessions.delete(id);
    return session.results;
  }

  async #runStage(request: UiaRequest, id: string, session: UiaSession, auth: AuthData, type: string): Promise<void> {
    const stage = this.#stages.get(type);
    if (!stage || !request.flows.some((stages) => stages.includes(type))) {
      throw this.#challenge(request, id, session, MatrixError.unknown(401, 'This kind of authentication is not offered here'));
    }
    try {
      session.results.set(type, await stage.run(auth, request.userId));
    } catch (error) {
      if (!(error instanceof MatrixError) || error.status >= 429) throw error;
      if (++session.failures >= MAX_FAILURES) this.#sessions.delete(id);
      throw this.#challenge(request, id, session, error);
    }
  }

  #start(request: UiaRequest): [string, UiaSession] {
    const id = this.random.token(18);
    const { operation, userId } = request;
    const session = { operation, userId, results: new Map<string, unknown>(), startedAt: this.clock.steady(), failures: 0 };
    this.#sessions.set(id, session);
    return [id, session];
  }

  #find(id: string, request: UiaRequest): UiaSession | undefined {
    const session = this.#sessions.get(id);
    if (!session || session.operation !== request.operation || session.userId !== request.userId) return undefined;
    return this.clock.steady() - session.startedAt > SESSION_LIFETIME_MS ? undefined : session;
  }

  #challenge(request: UiaRequest, id: string, session: UiaSession, failure?: MatrixError): UiaChallenge {
    const state = {
      session: id,
      flows: request.flows.map((stages) => ({ stages })),
      params: request.params ?? {},
      completed: [...session.results.keys()],
    };
    return new UiaChallenge(state, failure);
  }
}
