import { Injectable } from '@nestjs/common';
import { AccessTokens } from '../accounts/access-tokens.js';
import { AccountDirectory } from '../accounts/account-directory.js';
import { AccountStore } from '../accounts/account.store.js';
import { Devices } from '../accounts/devices.js';
import type { Requester } from '../accounts/requester.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Passwords } from './passwords.js';
import { userIdOf } from './user-identifier.js';

/** Gives an account another password. The caller has made sure that its owner asks. */
@Injectable()
export class PasswordChange {
  constructor(
    private readonly config: Config,
    private readonly directory: AccountDirectory,
    private readonly store: AccountStore,
    private readonly passwords: Passwords,
    private readonly devices: Devices,
    private readonly tokens: AccessTokens,
  ) {}

  /** The session that asks stays; the others end if `logOutOthers` says so. */
  async change(requester: Requester, password: string, options: { logOutOthers: boolean }): Promise<void> {
    const { userId, deviceId, tokenHash } = requester;
    await this.store.setPassword(userId, await this.passwords.hash(password));
    if (!options.logOutOthers) return;
    const others = (await this.devices.list(userId)).map((device) => device.deviceId).filter((id) => id !== deviceId);
    await this.devices.delete(userId, others);
    await this.tokens.revokeAll(userId, { except: tokenHash });
  }

  /**
   * At the word of the operator, for somebody who has lost his password. Sessions stay, since an app that is logged out forgets its keys,
   * unless `endSessions` says so: then somebody else may have known the password.
   *
   * @param user localpart or user id
   * @returns the user id
   * @throws MatrixError 404 M_NOT_FOUND; 403 M_USER_DEACTIVATED; as Passwords.hash
   */
  async reset(user: string, password: string, options: { endSessions: boolean }): Promise<string> {
    const userId = userIdOf({ user }, this.config.serverName);
    const account = userId === undefined ? undefined : await this.directory.get(userId);
    if (!account) throw MatrixError.notFound(`There is no account ${userId ?? user} on this server`);
    if (account.deactivatedTs !== null) throw new MatrixError(403, 'M_USER_DEACTIVATED', `${account.userId} has been deactivated`);
    if (account.isGuest) throw MatrixError.forbidden(`${account.userId} is a guest and has no password`);
    await this.store.setPassword(account.userId, await this.passwords.hash(password));
    if (options.endSessions) {
      await this.devices.delete(account.userId, (await this.devices.list(account.userId)).map(({ deviceId }) => deviceId));
      await this.tokens.revokeAll(account.userId);
    }
    return account.userId;
  }
}
