import { Controller, Get } from '@nestjs/common';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { MediaProgress, type MediaProgressBody } from '../../media/copies/media-progress.js';

/** How far an account's pictures and files are at its homes (docs/protocol.md §8). */
@Controller('/_matrix/client/unstable/io.partyline/account')
export class AccountMediaController {
  constructor(private readonly progress: MediaProgress) {}

  @Get('media')
  @Auth('user-or-guest')
  @RateLimit('homes')
  media(@CurrentUser() requester: Requester): Promise<MediaProgressBody> {
    return this.progress.of(requester.userId);
  }
}
