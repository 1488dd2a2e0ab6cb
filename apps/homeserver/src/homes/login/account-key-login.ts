import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { accountKeyLogin } from '#e2e';
import type { HomeRecord } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { LoginTypes } from '../../auth/login-types.js';
import { userIdentifierShape, userIdOf } from '../../auth/user-identifier.js';
import { UserInteractiveAuth } from '../../auth/user-interactive-auth.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { accountKeyOf } from '../records/account-key-of.js';
import { HomeKeys } from '../records/home-keys.js';
import { HomeRecords } from '../records/home-records.js';
import { RecordRefresh } from '../records/record-refresh.js';
import { HeardHomes } from './heard-homes.js';
import { AccountKeyProofs, accountKeyProofShape } from './account-key-proofs.js';

const loginSchema = z.looseObject({ ...userIdentifierShape, ...accountKeyProofShape });

/** `io.partyline.account_key`, as a way to log in and, for accounts without a password, as a stage of user-interactive authentication. */
@Injectable()
export class AccountKeyLogin implements OnModuleInit {
  constructor(
    private readonly types: LoginTypes,
    private readonly uia: UserInteractiveAuth,
    private readonly directory: AccountDirectory,
    private readonly records: HomeRecords,
    private readonly refresh: RecordRefresh,
    private readonly heard: HeardHomes,
    private readonly keys: HomeKeys,
    private readonly proofs: AccountKeyProofs,
    private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.types.register(accountKeyLogin, { login: async (body) => ({ ...(await this.#login(body)), byAccountKey: true }) });
    this.uia.registerStage(accountKeyLogin, {
      provesOwner: (account) => account.passwordHash === null && !account.isGuest && account.appserviceId === null,
      run: async (auth, userId) => {
        const { userId: proven } = await this.#login(userId === null ? auth : { ...auth, user: userId, identifier: undefined });
        return proven;
      },
    });
  }

  async #login(body: unknown): Promise<{ userId: string }> {
    const parsed = loginSchema.safeParse(body);
    if (!parsed.success) throw MatrixError.badJson('A user, a nonce and a signature are needed');
    const userId = userIdOf(parsed.data, this.config.serverName);
    const record = userId === undefined ? undefined : await this.#servedRecord(userId);
    if (userId === undefined || !record) throw MatrixError.forbidden('There is no such account here');
    this.proofs.check(userId, accountKeyOf(record), parsed.data);
    return { userId };
  }

  /** The record if it names this server. Who has just been added may come here before the record does. */
  async #servedRecord(userId: string): Promise<HomeRecord | undefined> {
    await this.heard.ready(userId);
    if (!this.directory.has(userId) && (await this.keys.find(userId))) await this.refresh.refresh(userId);
    else await this.refresh.beforeUse([userId]);
    const record = await this.records.get(userId);
    return this.directory.has(userId) && (await this.records.isHome(userId, this.config.serverName)) ? record : undefined;
  }
}
