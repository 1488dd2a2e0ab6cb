import { Controller, Get, Post } from '@nestjs/common';
import { Deactivation } from '../../accounts/deactivation.js';
import type { Requester } from '../../accounts/requester.js';
import { PasswordChange } from '../../auth/password-change.js';
import { UserInteractiveAuth } from '../../auth/user-interactive-auth.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { type DeactivationBody, deactivationSchema, type PasswordBody, passwordSchema } from './account.schema.js';

@Controller('/_matrix/client/v3/account')
export class AccountController {
  constructor(
    private readonly uia: UserInteractiveAuth,
    private readonly passwords: PasswordChange,
    private readonly deactivation: Deactivation,
  ) {}

  @Get('whoami')
  @Auth('user-or-guest')
  whoami(@CurrentUser() requester: Requester): object {
    const { userId, deviceId, isGuest } = requester;
    return { user_id: userId, is_guest: isGuest, ...(deviceId === null ? {} : { device_id: deviceId }) };
  }

  @Post('password')
  @Auth('user')
  @RateLimit('login')
  async password(@CurrentUser() requester: Requester, @JsonBody(passwordSchema) body: PasswordBody): Promise<object> {
    await this.uia.confirmOwner('change-password', requester.userId, body.auth);
    await this.passwords.change(requester, body.new_password, { logOutOthers: body.logout_devices });
    return {};
  }

  @Post('deactivate')
  @Auth('user')
  @RateLimit('login')
  async deactivate(@CurrentUser() requester: Requester, @JsonBody(deactivationSchema) body: DeactivationBody): Promise<object> {
    await this.uia.confirmOwner('deactivate', requester.userId, body.auth);
    await this.deactivation.end(requester.userId, { erase: body.erase, record: body['io.partyline.record'] });
    // No identity server is in use, so there is nothing that could fail to be unbound.
    return { id_server_unbind_result: 'success' };
  }
}
