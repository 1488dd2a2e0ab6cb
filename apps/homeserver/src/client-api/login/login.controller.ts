import { Controller, Get, Post } from '@nestjs/common';
import { RefreshTokens } from '../../accounts/refresh-tokens.js';
import { LoginTypes } from '../../auth/login-types.js';
import { Sessions, tokenBody } from '../../auth/sessions.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { type LoginBody, loginSchema, type RefreshBody, refreshSchema } from './login.schema.js';

@Controller('/_matrix/client/v3')
export class LoginController {
  constructor(
    private readonly types: LoginTypes,
    private readonly sessions: Sessions,
    private readonly refreshTokens: RefreshTokens,
  ) {}

  @Get('login')
  @Auth('none')
  @RateLimit('lookup')
  flows(): object {
    return { flows: this.types.flows() };
  }

  @Post('login')
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

  /** The refresh token is the proof. */
  @Post('refresh')
  @Auth('custom')
  @RateLimit('lookup')
  async refresh(@JsonBody(refreshSchema) body: RefreshBody): Promise<object> {
    return tokenBody(await this.refreshTokens.refresh(body.refresh_token));
  }
}
