import { Controller, Get } from '@nestjs/common';
import { Auth } from '../../http/auth.decorator.js';
import { serverVersion } from './server-version.js';

@Controller('/_matrix/federation/v1')
export class VersionController {
  @Get('/version')
  @Auth('none')
  version(): { server: typeof serverVersion } {
    return { server: serverVersion };
  }
}
