import { Controller, Get, Post } from '@nestjs/common';
import { Registration } from '../../auth/registration.js';
import { Sessions } from '../../auth/sessions.js';
import { UserNames } from '../../auth/user-names.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import {
  type RegistrationBody,
  registrationQuery,
  type RegistrationQuery,
  registrationSchema,
  tokenQuery,
  usernameQuery,
} from './registration.schema.js';

@Controller('/_matrix/client')
export class RegistrationController {
  constructor(
    private readonly registration: Registration,
    private readonly names: UserNames,
    private readonly sessions: Sessions,
  ) {}

  @Post('v3/register')
  @Auth('none')
  @RateLimit('registration')
  async register(
    @QueryParams(registrationQuery) query: RegistrationQuery,
    @JsonBody(registrationSchema) given: RegistrationBody,
  ): Promise<object> {
    if (query.kind === 'guest') {
      return this.sessions.open({ userId: await this.registration.registerGuest(), displayName: given.initial_device_display_name });
    }
    const { userId, request: body } = await this.registration.register(given);
    const displayName = body.initial_device_display_name;
    if (body.inhibit_login) return { user_id: userId, home_server: userId.slice(userId.indexOf(':') + 1) };
    return this.sessions.open({ userId, deviceId: body.device_id, displayName, refreshable: body.refresh_token ?? false });
  }

  @Get('v3/register/available')
  @Auth('none')
  @RateLimit('lookup')
  available(@QueryParams(usernameQuery) query: { username: string }): object {
    if (this.registration.isClosed) throw MatrixError.forbidden('Registration is closed on this server');
    this.names.choose(query.username);
    return { available: true };
  }

  @Get('v1/register/m.login.registration_token/validity')
  @Auth('none')
  @RateLimit('registration')
  async validity(@QueryParams(tokenQuery) query: { token: string }): Promise<object> {
    if (this.registration.isClosed) throw MatrixError.forbidden('Registration is closed on this server');
    return { valid: await this.registration.isTokenValid(query.token) };
  }
}
