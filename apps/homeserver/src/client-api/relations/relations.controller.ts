import { Controller, Get, Param } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { queryBoolean, queryNumber } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { RoomRelations } from '../../sync/history/room-relations.js';
import { RoomThreads } from '../../sync/history/room-threads.js';

const relationsQuery = z.object({
  dir: z.enum(['b', 'f']).optional(),
  from: z.string().max(512).optional(),
  to: z.string().max(512).optional(),
  limit: queryNumber(1_000).optional(),
  recurse: queryBoolean.optional(),
});
type RelationsQuery = z.output<typeof relationsQuery>;
const threadsQuery = z.object({
  include: z.enum(['all', 'participated']).optional(),
  from: z.string().max(512).optional(),
  limit: queryNumber(1_000).optional(),
});

/** client-server/{relations,threads_list}.yaml: what relates to events. */
@Controller('/_matrix/client/v1/rooms/:roomId')
export class RelationsController {
  constructor(
    private readonly relations: RoomRelations,
    private readonly threadsOfRooms: RoomThreads,
  ) {}

  @Get('relations/:eventId')
  @Auth('user-or-guest')
  async all(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventId') eventId: string, @QueryParams(relationsQuery) query: RelationsQuery,
  ): Promise<RawJson> {
    return new RawJson(await this.relations.page(requester, { roomId, eventId }, query));
  }

  @Get('relations/:eventId/:relType')
  @Auth('user-or-guest')
  async ofKind(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventId') eventId: string, @Param('relType') relType: string,
    @QueryParams(relationsQuery) query: RelationsQuery,
  ): Promise<RawJson> {
    return new RawJson(await this.relations.page(requester, { roomId, eventId, relType }, query));
  }

  @Get('relations/:eventId/:relType/:eventType')
  @Auth('user-or-guest')
  async ofType(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventId') eventId: string, @Param('relType') relType: string,
    @Param('eventType') type: string, @QueryParams(relationsQuery) query: RelationsQuery,
  ): Promise<RawJson> {
    return new RawJson(await this.relations.page(requester, { roomId, eventId, relType, type }, query));
  }

  @Get('threads')
  @Auth('user-or-guest')
  async threads(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(threadsQuery) query: z.output<typeof threadsQuery>): Promise<RawJson> {
    return new RawJson(await this.threadsOfRooms.page(requester, roomId, query));
  }
}
