import { Injectable } from '@nestjs/common';
import { AccessTokens } from '../accounts/access-tokens.js';
import { AccountStore } from '../accounts/account.store.js';
import { Devices } from '../accounts/devices.js';
import type { Requester } from '../accounts/requester.js';
import { Passwords } from './passwords.js';

/** Gives an account another password. The caller has made sure that its owner asks. */
@Injectable()
export class PasswordChange {
  constructor(
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
}
