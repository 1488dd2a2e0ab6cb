import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { NewAccount } from '../accounts/account.js';
import { AccessTokens } from '../accounts/access-tokens.js';
import { AccountDirectory } from '../accounts/account-directory.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import type { Transaction } from '../storage/database.js';
import { FirstRunAdmin } from './first-run-admin.js';
import { RegistrationAttempts } from './registration-attempts.js';
import { UiaChallenge } from './uia-challenge.js';
import { Passwords } from './passwords.js';
import { RegistrationTokens } from './registration-tokens.js';
import { type AuthData, UserInteractiveAuth } from './user-interactive-auth.js';
import { UserNames } from './user-names.js';

const TOKEN_STAGE = 'm.login.registration_token';

export interface RegistrationRequest {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly auth?: AuthData | undefined;
  /** Of the guest who becomes a user by it, under the name that he has. */
  readonly guest_access_token?: string | undefined;
}

/** Makes accounts for people, as far as the operator lets them in. Logging in afterwards is the caller's (sessions.ts). */
@Injectable()
export class Registration implements OnModuleInit {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly names: UserNames,
    private readonly passwords: Passwords,
    private readonly sessions: AccessTokens,
    private readonly uia: UserInteractiveAuth,
    private readonly tokens: RegistrationTokens,
    private readonly firstRun: FirstRunAdmin,
    private readonly attempts: RegistrationAttempts,
    private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.uia.registerStage('m.login.dummy', { run: async () => null });
    this.uia.registerStage(TOKEN_STAGE, {
      run: async (auth) => {
        const token = auth['token'];
        if (typeof token !== 'string') throw MatrixError.missingParam('Missing token');
        if (!(await this.isTokenValid(token))) throw MatrixError.forbidden('This registration token is not valid');
        return token;
      },
    });
  }

  /** True for a registration token that would let somebody register now. */
  async isTokenValid(token: string): Promise<boolean> {
    if (this.firstRun.isValid(token)) return true;
    return this.config.registration !== 'closed' && (await this.tokens.isValid(token));
  }

  /** True when nobody can register, with or without a token. */
  get isClosed(): boolean {
    return this.config.registration === 'closed' && !this.firstRun.isPending;
  }

  /**
   * @param given the request; what was said in its session before counts where it says nothing
   * @returns the user id, and the request with what was said before
   * @throws UiaChallenge, or MatrixError 400 M_USER_IN_USE, M_INVALID_USERNAME, M_EXCLUSIVE, M_MISSING_PARAM;
   *   403 M_FORBIDDEN where registration is closed
   */
  async register<T extends RegistrationRequest>(given: T): Promise<{ readonly userId: string; readonly request: T }> {
    if (this.isClosed) throw MatrixError.forbidden('Registration is closed on this server');
    const session = given.auth?.session;
    const before = this.attempts.get(session);
    const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const request = { ...before?.parameters, ...said } as T;
    if (before?.userId !== undefined && (await this.#isOwner(before.userId, request.password))) return { userId: before.userId, request };
    try {
      const userId = await this.#register(request);
      if (session !== undefined) this.attempts.remember(session, {}, userId);
      return { userId, request };
    } catch (error) {
      const { auth: _, ...parameters } = request;
      if (error instanceof UiaChallenge) this.attempts.remember(error.session, parameters);
      throw error;
    }
  }

  async #isOwner(userId: string, password: string | undefined): Promise<boolean> {
    const account = await this.directory.get(userId);
    return account !== undefined && password !== undefined && this.passwords.verify(userId, account.passwordHash, password);
  }

  async #register(request: RegistrationRequest): Promise<string> {
    // Checked before and, by the database, after: somebody may take the name meanwhile.
    const guest = await this.#guest(request);
    const userId = guest ?? (request.username === undefined ? this.names.generate('u') : this.names.choose(request.username));
    const results = await this.uia.complete({ operation: 'register', userId: null, auth: request.auth, flows: this.#flows() });
    if (request.password === undefined) throw MatrixError.missingParam('Missing password');
    const passwordHash = await this.passwords.hash(request.password);
    const token = results.get(TOKEN_STAGE) as string | undefined;
    if (guest === undefined) await this.#create({ userId, passwordHash }, token);
    else await this.#upgrade(guest, passwordHash, token);
    return userId;
  }

  /** The guest who registers as a user (client-server API, "Guest Access"). */
  async #guest({ guest_access_token: token, username }: RegistrationRequest): Promise<string | undefined> {
    if (token === undefined) return undefined;
    if (username === undefined) throw MatrixError.missingParam('A guest keeps his name: username is missing');
    const requester = await this.sessions.authenticate(token);
    if (!requester?.isGuest || requester.userId !== this.names.format(username)) throw MatrixError.forbidden('This is not the token of a guest of that name');
    return requester.userId;
  }

  async #upgrade(userId: string, passwordHash: string, token: string | undefined): Promise<void> {
    if (token !== undefined && this.firstRun.isValid(token)) throw MatrixError.forbidden('A guest does not set up the server');
    await this.directory.upgradeGuest(userId, passwordHash, token === undefined ? undefined : (tx) => this.tokens.use(tx, token));
    this.sessions.reload(userId);
  }

  /** @throws MatrixError 403 M_GUEST_ACCESS_FORBIDDEN unless registration is open */
  async registerGuest(): Promise<string> {
    if (this.config.registration !== 'open') {
      throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'This server has no guests');
    }
    const userId = this.names.generate('guest-');
    await this.directory.create({ userId, isGuest: true });
    return userId;
  }

  #flows(): string[][] {
    if (this.config.registration === 'open') return [['m.login.dummy'], [TOKEN_STAGE]];
    return [[TOKEN_STAGE]];
  }

  async #create(account: NewAccount, token: string | undefined): Promise<void> {
    if (token === undefined) return this.directory.create(account);
    if (this.firstRun.isValid(token)) {
      await this.firstRun.use(token, () => this.directory.create({ ...account, isAdmin: true }));
      return;
    }
    await this.directory.create(account, (tx: Transaction) => this.tokens.use(tx, token));
  }
}
