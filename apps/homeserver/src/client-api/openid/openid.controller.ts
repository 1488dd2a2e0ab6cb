import { Controller, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { type OpenIdToken, OpenIdTokens } from '../../homes/openid/openid-tokens.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

/** The specification keeps it for later. */
const reserved = z.looseObject({});

@Controller('/_matrix/client/v3/user/:userId/openid')
export class OpenIdController {
  constructor(private readonly tokens: OpenIdTokens) {}

  @Post('request_token')
  @Auth('user-or-guest')
  @RateLimit('lookup')
  make(@CurrentUser() requester: Requester, @Param('userId') userId: string, @JsonBody(reserved) _body: object): Promise<OpenIdToken> {
    if (requester.userId !== userId) throw MatrixError.forbidden('You can ask for tokens of your own only');
    return this.tokens.make(userId);
  }
}
