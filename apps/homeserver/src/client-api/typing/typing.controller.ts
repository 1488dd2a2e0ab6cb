import { Controller, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { OwnPresence } from '../../ephemeral/presence/own-presence.js';
import { Typing } from '../../ephemeral/typing.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';

const DEFAULT_TIMEOUT_MS = 30_000;

const bodySchema = z.looseObject({
  typing: z.boolean(),
  timeout: z.number().int().min(0).optional(),
});

@Controller('/_matrix/client/v3/rooms/:roomId/typing/:userId')
export class TypingController {
  constructor(
    private readonly typing: Typing,
    private readonly presence: OwnPresence,
  ) {}

  @Put()
  @Auth('user-or-guest', { suspended: 'refuse' })
  async set(
    @CurrentUser() requester: Requester,
    @Param('roomId') roomId: string,
    @Param('userId') userId: string,
    @JsonBody(bodySchema) body: z.output<typeof bodySchema>,
  ): Promise<object> {
    if (requester.userId !== userId) throw MatrixError.forbidden('You cannot type for others');
    this.presence.active(userId);
    await this.typing.set(roomId, userId, body.typing, body.timeout ?? DEFAULT_TIMEOUT_MS);
    return {};
  }
}
