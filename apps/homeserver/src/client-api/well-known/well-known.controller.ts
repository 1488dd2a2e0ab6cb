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
    const { publicUrl, livekitUrl } = this.config;
    // COMPAT(Element Call): it looks here for its media server, too (MSC4143).
    const foci = livekitUrl === null ? {} : { 'org.matrix.msc4143.rtc_foci': [{ type: 'livekit', livekit_service_url: livekitUrl }] };
    return { 'm.homeserver': { base_url: publicUrl }, ...foci };
  }

  @Get('support')
  @Auth('none')
  support(): object {
    const { contact } = this.config;
    if (contact === null) throw MatrixError.notFound('Nobody is named');
    return contact;
  }

  /** This server judges nobody else's events. */
  @Get('policy_server')
  @Auth('none')
  policyServer(): never {
    throw MatrixError.notFound('There is no policy server here');
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
