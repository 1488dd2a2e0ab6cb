import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { MatrixError } from '../../errors/matrix-error.js';
import { OpenIdTokens } from '../../homes/openid/openid-tokens.js';
import { Auth } from '../../http/auth.decorator.js';
import { QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

const querySchema = z.object({ access_token: z.string().optional() });

/** Where a service learns whose an OpenID token is (server-server API, §OpenID). */
@Controller('/_matrix/federation/v1/openid')
export class OpenIdUserInfoController {
  constructor(private readonly tokens: OpenIdTokens) {}

  /** The token is the proof. */
  @Get('userinfo')
  @Auth('custom')
  @RateLimit('lookup')
  async userInfo(@QueryParams(querySchema) query: z.output<typeof querySchema>): Promise<{ sub: string }> {
    if (query.access_token === undefined) throw new MatrixError(401, 'M_MISSING_TOKEN', 'A token is needed: access_token=…');
    const sub = await this.tokens.userOf(query.access_token);
    if (sub === undefined) throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'Access token unknown or expired');
    return { sub };
  }
}
