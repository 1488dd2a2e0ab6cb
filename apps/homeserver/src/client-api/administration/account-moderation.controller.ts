import { Controller, Get, Param, Put } from '@nestjs/common';
import { isUserId, serverNameOf } from '#federation';
import { z } from 'zod';
import type { Account } from '../../accounts/account.js';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Devices } from '../../accounts/devices.js';
import { Moderation } from '../../accounts/moderation.js';
import type { Requester } from '../../accounts/requester.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';

const suspendSchema = z.object({ suspended: z.boolean() });
const lockSchema = z.object({ locked: z.boolean() });

/** Suspending, locking and looking at accounts (client-api "server administration"). */
@Controller('/_matrix/client')
export class AccountModerationController {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly moderation: Moderation,
    private readonly devices: Devices,
    private readonly config: Config,
  ) {}

  @Get('v1/admin/suspend/:userId')
  @Auth('user', { admin: true })
  async suspended(@Param('userId') userId: string): Promise<object> {
    return { suspended: (await this.#account(userId)).isSuspended };
  }

  @Put('v1/admin/suspend/:userId')
  @Auth('user', { admin: true })
  async suspend(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @JsonBody(suspendSchema) body: { suspended: boolean },
  ): Promise<object> {
    await this.#moderate(requester, userId, { isSuspended: body.suspended });
    return body;
  }

  @Get('v1/admin/lock/:userId')
  @Auth('user', { admin: true })
  async locked(@Param('userId') userId: string): Promise<object> {
    return { locked: (await this.#account(userId)).isLocked };
  }

  @Put('v1/admin/lock/:userId')
  @Auth('user', { admin: true })
  async lock(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @JsonBody(lockSchema) body: { locked: boolean },
  ): Promise<object> {
    await this.#moderate(requester, userId, { isLocked: body.locked });
    return body;
  }

  /** Administrators may ask about everybody, others about themselves. */
  @Get('v3/admin/whois/:userId')
  @Auth('user')
  async whois(@CurrentUser() requester: Requester, @Param('userId') userId: string): Promise<object> {
    if (!requester.isAdmin && requester.userId !== userId) throw MatrixError.forbidden('Only administrators can do this');
    await this.#account(userId);
    const devices = await this.devices.list(userId);
    const connection = ({ lastSeenIp, lastSeenTs, lastSeenUserAgent }: (typeof devices)[number]) => ({
      ...(lastSeenIp === null ? {} : { ip: lastSeenIp }),
      ...(lastSeenTs === null ? {} : { last_seen: lastSeenTs }),
      ...(lastSeenUserAgent === null ? {} : { user_agent: lastSeenUserAgent }),
    });
    return {
      user_id: userId,
      devices: Object.fromEntries(
        devices.map((device) => [device.deviceId, { sessions: [{ connections: [connection(device)] }] }]),
      ),
    };
  }

  async #moderate(requester: Requester, userId: string, standing: { isSuspended?: boolean; isLocked?: boolean }): Promise<void> {
    const account = await this.#account(userId);
    if (account.userId === requester.userId || account.isAdmin) throw MatrixError.forbidden('Administrators cannot be moderated');
    await this.moderation.decide(userId, standing);
  }

  async #account(userId: string): Promise<Account> {
    if (!isUserId(userId, { historical: true })) throw MatrixError.invalidParam('This is no user id');
    const account = await this.directory.get(userId);
    if (account && account.deactivatedTs === null) return account;
    if (serverNameOf(userId) !== this.config.serverName) throw MatrixError.invalidParam('This account is on another server');
    throw MatrixError.notFound('No such account');
  }
}
