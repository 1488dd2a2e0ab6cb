import { Controller, Get, Param } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { queryTime } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { EventByTime } from '../../sync/history/event-by-time.js';

const timeQuery = z.object({ ts: queryTime, dir: z.enum(['f', 'b']) });

/** client-server/room_event_by_timestamp.yaml */
@Controller('/_matrix/client/v1/rooms/:roomId')
export class EventByTimeController {
  constructor(private readonly events: EventByTime) {}

  @Get('timestamp_to_event')
  @Auth('user-or-guest')
  @RateLimit('lookup')
  find(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(timeQuery) query: z.output<typeof timeQuery>): Promise<object> {
    return this.events.find(requester.userId, roomId, query.dir, query.ts);
  }
}
