import { Controller, Get, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { isUserId } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { OwnPresence } from '../../ephemeral/presence/own-presence.js';
import { MAX_STATUS_BYTES } from '../../ephemeral/presence/presence-edu.js';
import { type PresenceContent, presenceNames } from '../../ephemeral/presence/presence-state.js';
import { PresenceReader } from '../../ephemeral/presence/presence-reader.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

const bodySchema = z.looseObject({ presence: z.enum(presenceNames), status_msg: z.string().nullish() });

/** client-server/presence.yaml */
@Controller('/_matrix/client/v3/presence/:userId/status')
export class PresenceController {
  constructor(
    private readonly own: OwnPresence,
    private readonly reader: PresenceReader,
  ) {}

  @Put()
  @Auth('user-or-guest', { suspended: 'refuse' })
  @RateLimit('account-data')
  async set(@CurrentUser() requester: Requester, @Param('userId') userId: string, @JsonBody(bodySchema) body: z.output<typeof bodySchema>): Promise<object> {
    if (requester.userId !== userId) throw MatrixError.forbidden('You cannot set the presence of others');
    const statusMsg = body.status_msg ?? '';
    if (Buffer.byteLength(statusMsg) > MAX_STATUS_BYTES) throw MatrixError.tooLarge(`status_msg is longer than ${MAX_STATUS_BYTES} bytes`);
    await this.own.set(requester, body.presence, statusMsg === '' ? null : statusMsg);
    return {};
  }

  /** Of oneself, and of those with whom one shares a room. */
  @Get()
  @Auth('user-or-guest')
  async get(@CurrentUser() requester: Requester, @Param('userId') userId: string): Promise<PresenceContent> {
    if (!isUserId(userId, { historical: true })) throw MatrixError.invalidParam('This is no user id');
    return this.reader.read(requester.userId, userId);
  }
}
