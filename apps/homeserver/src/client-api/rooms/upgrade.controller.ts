import { Controller, Param, Post } from '@nestjs/common';
import { isUserId } from '#federation';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { text } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { RoomUpgrader } from '../../rooms/upgrades/room-upgrader.js';

const userId = text(255).refine((value) => isUserId(value, { historical: true }), 'must be a user id');
const upgradeSchema = z.object({ new_version: text(255), additional_creators: z.array(userId).max(100).nullish() });

/** client-server/room_upgrades.yaml */
@Controller('/_matrix/client/v3/rooms/:roomId')
export class UpgradeController {
  constructor(private readonly upgrader: RoomUpgrader) {}

  @Post('upgrade')
  @Auth('user', { suspended: 'refuse' })
  @RateLimit('join')
  async upgrade(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @JsonBody(upgradeSchema) body: z.output<typeof upgradeSchema>): Promise<object> {
    const request = { roomId, userId: requester.userId, version: body.new_version, additionalCreators: body.additional_creators ?? [] };
    return { replacement_room: await this.upgrader.upgrade(request) };
  }
}
