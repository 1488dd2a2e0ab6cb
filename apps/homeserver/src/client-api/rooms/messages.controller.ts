import { Controller, Get, Param } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { queryNumber } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { RoomHistoryReader } from '../../sync/history/room-history.js';

const MAX_FILTER_LENGTH = 64 * 1024;

const messagesQuery = z.object({
  dir: z.enum(['b', 'f']),
  from: z.string().max(512).optional(),
  to: z.string().max(512).optional(),
  limit: queryNumber(1_000).optional(),
  filter: z.string().max(MAX_FILTER_LENGTH).optional(),
});
const contextQuery = messagesQuery.pick({ limit: true, filter: true });

/** client-server/{message_pagination,rooms,event_context}.yaml: reading a room's timeline. */
@Controller('/_matrix/client/v3/rooms/:roomId')
export class MessagesController {
  constructor(private readonly history: RoomHistoryReader) {}

  @Get('messages')
  @Auth('user-or-guest')
  async messages(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(messagesQuery) query: z.output<typeof messagesQuery>): Promise<RawJson> {
    return new RawJson(await this.history.messages(requester, roomId, query));
  }

  @Get('event/:eventId')
  @Auth('user-or-guest')
  async event(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventId') eventId: string): Promise<RawJson> {
    return new RawJson(await this.history.event(requester, roomId, eventId));
  }

  @Get('context/:eventId')
  @Auth('user-or-guest')
  async context(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventId') eventId: string,
    @QueryParams(contextQuery) query: z.output<typeof contextQuery>,
  ): Promise<RawJson> {
    return new RawJson(await this.history.context(requester, roomId, eventId, query));
  }
}
