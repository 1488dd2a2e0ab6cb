import { Controller, Get } from '@nestjs/common';
import { parseServerName } from '#federation';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';

/** Where clients and servers find this server, when it also serves the web site of its domain. */
@Controller('/.well-known/matrix')
export class WellKnownController {
  constructor(private readonly config: Config) {}

  @Get('client')
  @Auth('none')
  client(): object {
    return { 'm.homeserver': { base_url: this.config.publicUrl } };
  }

  /** Only where it helps: a name with a port is never looked up, and other servers speak TLS. */
  @Get('server')
  @Auth('none')
  server(): object {
    const url = new URL(this.config.publicUrl);
    if (parseServerName(this.config.serverName)?.port !== undefined || url.protocol !== 'https:') {
      throw MatrixError.notFound('Servers find this one without delegation');
    }
    return { 'm.server': `${url.hostname}:${url.port || '443'}` };
  }
}
