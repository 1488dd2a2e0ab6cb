import { createHmac } from 'node:crypto';
import { Controller, Get } from '@nestjs/common';
import type { Requester } from '../../accounts/requester.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { Clock } from '../../observability/clock.js';

const LIFETIME_S = 24 * 3_600;

/** What calls need besides Matrix: a TURN server for those of two people, a media server for those of many. */
@Controller('/_matrix/client')
export class CallsController {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** Credentials by the shared secret of the TURN server (`use-auth-secret` of coturn), so that there is nothing to store. */
  @Get('v3/voip/turnServer')
  @Auth('user-or-guest')
  @RateLimit('lookup')
  turnServer(@CurrentUser() requester: Requester): object {
    const { turnUris, turnSecret } = this.config;
    if (turnSecret === null) throw MatrixError.notFound('This server knows no TURN server');
    const username = `${Math.floor(this.clock.now() / 1000) + LIFETIME_S}:${requester.userId}`;
    const password = createHmac('sha1', turnSecret).update(username).digest('base64');
    return { username, password, uris: turnUris, ttl: LIFETIME_S };
  }

  /** COMPAT(Element Call): MSC4143. */
  @Get('unstable/org.matrix.msc4143/rtc/transports')
  @Auth('user-or-guest')
  @RateLimit('lookup')
  transports(): object {
    const { livekitUrl } = this.config;
    return { rtc_transports: livekitUrl === null ? [] : [{ type: 'livekit', livekit_service_url: livekitUrl }] };
  }
}
