import { Controller, Delete, Get, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { Tags } from '../../account-data/tags.js';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { ownUser, validRoomId } from '../account-data/own-user.js';

/** The specification wants 0 to 1; clients have long been writing other numbers. */
const tagSchema = z.looseObject({ order: z.number().optional() });

/** Client-api "room tagging". */
@Controller('/_matrix/client/v3/user/:userId/rooms/:roomId/tags')
export class TagsController {
  constructor(private readonly tags: Tags) {}

  @Get()
  @Auth('user-or-guest')
  async list(@CurrentUser() requester: Requester, @Param('userId') userId: string, @Param('roomId') roomId: string): Promise<object> {
    return { tags: await this.tags.list(ownUser(requester, userId), validRoomId(roomId)) };
  }

  @Put(':tag')
  @Auth('user-or-guest')
  @RateLimit('account-data')
  async set(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @Param('roomId') roomId: string,
    @Param('tag') tag: string,
    @JsonBody(tagSchema) content: object,
  ): Promise<object> {
    await this.tags.set(ownUser(requester, userId), validRoomId(roomId), tag, content);
    return {};
  }

  @Delete(':tag')
  @Auth('user-or-guest')
  @RateLimit('account-data')
  async remove(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @Param('roomId') roomId: string,
    @Param('tag') tag: string,
  ): Promise<object> {
    await this.tags.remove(ownUser(requester, userId), validRoomId(roomId), tag);
    return {};
  }
}
