import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import type { Account } from '../accounts/account.js';
import { AccountDirectory } from '../accounts/account-directory.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { LoginTypes } from './login-types.js';
import { Passwords } from './passwords.js';
import { userIdentifierShape, userIdOf } from './user-identifier.js';
import { UserInteractiveAuth } from './user-interactive-auth.js';

const passwordSchema = z.looseObject({ ...userIdentifierShape, password: z.string() });

/** `m.login.password`, as a way to log in and as a stage of user-interactive authentication. */
@Injectable()
export class PasswordLogin implements OnModuleInit {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly passwords: Passwords,
    private readonly types: LoginTypes,
    private readonly uia: UserInteractiveAuth,
    private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.types.register('m.login.password', { login: async (body) => ({ userId: (await this.#check(body)).userId }) });
    this.uia.registerStage('m.login.password', {
      provesOwner: (account) => account.passwordHash !== null,
      run: async (auth, userId) => {
        // Very old clients leave the identifier out: then it is the account that the token speaks for.
        const isNamed = auth['identifier'] !== undefined || auth['user'] !== undefined;
        const named = isNamed ? auth : { ...auth, user: userId ?? undefined };
        const account = await this.#check(named);
        if (account.userId !== userId) throw MatrixError.forbidden('This is another account');
      },
    });
  }

  async #check(body: unknown): Promise<Account> {
    const parsed = passwordSchema.safeParse(body);
    if (!parsed.success) throw MatrixError.badJson('A user and a password are needed');
    const userId = userIdOf(parsed.data, this.config.serverName);
    const account = userId === undefined ? undefined : await this.directory.get(userId);
    const matches = await this.passwords.verify(userId ?? '', account?.passwordHash ?? null, parsed.data.password);
    if (account && account.deactivatedTs !== null) {
      throw new MatrixError(403, 'M_USER_DEACTIVATED', 'This account has been deactivated');
    }
    if (!account || !matches) throw MatrixError.forbidden('Wrong user name or password');
    return account;
  }
}
