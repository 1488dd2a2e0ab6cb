import { Controller, Post } from '@nestjs/common';
import { AccessTokens } from '../../accounts/access-tokens.js';
import { Devices } from '../../accounts/devices.js';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser } from '../../http/param.decorators.js';

@Controller('/_matrix/client/v3/logout')
export class LogoutController {
  constructor(
    private readonly devices: Devices,
    private readonly tokens: AccessTokens,
  ) {}

  @Post()
  @Auth('user-or-guest', { locked: 'allow' })
  async logout(@CurrentUser() requester: Requester): Promise<object> {
    if (requester.deviceId !== null) await this.devices.delete(requester.userId, [requester.deviceId]);
    else await this.tokens.revoke(requester.tokenHash);
    return {};
  }

  @Post('all')
  @Auth('user-or-guest', { locked: 'allow' })
  async logoutAll(@CurrentUser() requester: Requester): Promise<object> {
    const devices = await this.devices.list(requester.userId);
    await this.devices.delete(requester.userId, devices.map(({ deviceId }) => deviceId));
    await this.tokens.revokeAll(requester.userId);
    return {};
  }
}
