import { Controller, Get, Post } from '@nestjs/common';
import type { Requester } from '../../accounts/requester.js';
import { RefreshTokens } from '../../accounts/refresh-tokens.js';
import { LoginTokens } from '../../auth/login-tokens.js';
import { LoginTypes } from '../../auth/login-types.js';
import { Sessions, tokenBody } from '../../auth/sessions.js';
import { UserInteractiveAuth } from '../../auth/user-interactive-auth.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { type GetTokenBody, getTokenSchema, type LoginBody, loginSchema, type RefreshBody, refreshSchema } from './login.schema.js';

@Controller('/_matrix/client')
export class LoginController {
  constructor(
    private readonly types: LoginTypes,
    private readonly sessions: Sessions,
    private readonly refreshTokens: RefreshTokens,
    private readonly loginTokens: LoginTokens,
    private readonly uia: UserInteractiveAuth,
  ) {}

  @Get('v3/login')
  @Auth('none')
  @RateLimit('lookup')
  flows(): object {
    return { flows: this.types.flows() };
  }

  @Post('v3/login')
  @Auth('none')
  @RateLimit('login')
  async login(@JsonBody(loginSchema) body: LoginBody): Promise<object> {
    const { userId, byAccountKey } = await this.types.login(body);
    return this.sessions.open({
      userId,
      byAccountKey,
      deviceId: body.device_id,
      displayName: body.initial_device_display_name,
      refreshable: body.refresh_token ?? false,
    });
  }

  /** A token for one more client: always with a proof of its own, as it makes a session that stays. */
  @Post('v1/login/get_token')
  @Auth('user')
  @RateLimit('login')
  async getToken(@CurrentUser() requester: Requester, @JsonBody(getTokenSchema) body: GetTokenBody): Promise<object> {
    await this.uia.confirmOwner('login-token', requester.userId, body.auth);
    return this.loginTokens.make(requester.userId);
  }

  /** The refresh token is the proof. */
  @Post('v3/refresh')
  @Auth('custom')
  @RateLimit('lookup')
  async refresh(@JsonBody(refreshSchema) body: RefreshBody): Promise<object> {
    return tokenBody(await this.refreshTokens.refresh(body.refresh_token));
  }
}
