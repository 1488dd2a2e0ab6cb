import { Controller, Get, Param } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import type { Caller } from '../../http/caller.js';
import { CurrentCaller, CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { queryBoolean, queryNumber } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { RoomHistoryReader } from '../../sync/history/room-history.js';
import type { EventList } from '../../sync/old-sync/event-list.js';
import { EventStream } from '../../sync/old-sync/event-stream.js';
import { InitialSync } from '../../sync/old-sync/initial-sync.js';
import { MAX_TIMEOUT_MS } from '../../sync/sync.service.js';

const DEFAULT_TIMEOUT_MS = 30_000;

const eventsQuery = z.object({
  from: z.string().max(512).optional(),
  timeout: queryNumber(MAX_TIMEOUT_MS).default(DEFAULT_TIMEOUT_MS),
  room_id: z.string().max(255).optional(),
  // Of no effect: an answer holds what is new. Clients send it all the same.
  limit: queryNumber(1_000).optional(),
});
const initialQuery = z.object({ limit: queryNumber(1_000).optional(), archived: queryBoolean.default(false) });

/** client-server/{old_sync,peeking_events,room_initial_sync}.yaml: what came before `/sync`, and looking into rooms from outside. */
@Controller('/_matrix/client')
export class OldSyncController {
  constructor(
    private readonly stream: EventStream,
    private readonly initial: InitialSync,
    private readonly history: RoomHistoryReader,
  ) {}

  @Get(['v3/events', 'r0/events'])
  @Auth('user-or-guest')
  events(
    @CurrentUser() requester: Requester, @QueryParams(eventsQuery) query: z.output<typeof eventsQuery>, @CurrentCaller() caller: Caller,
  ): Promise<EventList> {
    if (requester.isGuest && query.room_id === undefined) {
      throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'Guests have to name a room');
    }
    return this.stream.next(requester, { from: query.from, timeoutMs: query.timeout, roomId: query.room_id }, caller);
  }

  @Get('v3/events/:eventId')
  @Auth('user')
  async event(@CurrentUser() requester: Requester, @Param('eventId') eventId: string): Promise<RawJson> {
    return new RawJson(await this.history.eventAnywhere(requester, eventId));
  }

  @Get('v3/initialSync')
  @Auth('user')
  initialSync(
    @CurrentUser() requester: Requester, @QueryParams(initialQuery) query: z.output<typeof initialQuery>, @CurrentCaller() caller: Caller,
  ): Promise<object> {
    return this.initial.account(requester, query.limit, query.archived, caller);
  }

  @Get('v3/rooms/:roomId/initialSync')
  @Auth('user-or-guest')
  roomInitialSync(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(initialQuery) query: z.output<typeof initialQuery>,
  ): Promise<object> {
    return this.initial.room(requester, roomId, query.limit);
  }
}
