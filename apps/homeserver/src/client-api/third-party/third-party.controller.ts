import { Controller, Get } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

/** Networks that bridges reach (client-server API, §Third-party Networks): none, as long as this server has no bridges. */
@Controller('/_matrix/client/v3/thirdparty')
export class ThirdPartyController {
  @Get('protocols')
  @Auth('user-or-guest')
  @RateLimit('lookup')
  protocols(): object {
    return {};
  }

  @Get(['protocol/:protocol', 'location/:protocol', 'user/:protocol'])
  @Auth('user-or-guest')
  @RateLimit('lookup')
  ofProtocol(): never {
    throw MatrixError.notFound('No bridge of this server speaks this protocol');
  }

  @Get(['location', 'user'])
  @Auth('user-or-guest')
  @RateLimit('lookup')
  reverse(): never {
    throw MatrixError.notFound('No bridge of this server knows it');
  }
}
