import { Controller, Get, Param } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { RoomSummaryReader } from '../../directory/room-summaries.js';
import { type HierarchyPage, SpaceHierarchies } from '../../directory/spaces/space-hierarchies.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { queryBoolean, queryList, queryNumber } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 50;
const MAX_DEPTH = 20;

const hierarchyQuery = z.object({
  suggested_only: queryBoolean.default(false),
  limit: queryNumber(MAX_LIMIT).refine((limit) => limit > 0, 'must be greater than zero').default(DEFAULT_LIMIT),
  max_depth: queryNumber(MAX_DEPTH).default(MAX_DEPTH),
  from: z.string().max(255).optional(),
});
const summaryQuery = z.object({ via: queryList(20).default([]) });

/** client-server/{space_hierarchy,room_summary}.yaml */
@Controller('/_matrix/client')
export class SpacesController {
  constructor(
    private readonly hierarchies: SpaceHierarchies,
    private readonly summaries: RoomSummaryReader,
  ) {}

  @Get('v1/rooms/:roomId/hierarchy')
  @Auth('user-or-guest')
  @RateLimit('lookup')
  hierarchy(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(hierarchyQuery) query: z.output<typeof hierarchyQuery>): Promise<HierarchyPage> {
    const { suggested_only: suggestedOnly, limit, max_depth: maxDepth, from } = query;
    return this.hierarchies.page(requester.userId, roomId, { suggestedOnly, limit, maxDepth, from });
  }

  /** COMPAT(Element Web, Element X): MSC3266 before it was in the specification. */
  @Get(['v1/room_summary/:roomIdOrAlias', 'unstable/im.nheko.summary/summary/:roomIdOrAlias', 'unstable/im.nheko.summary/rooms/:roomIdOrAlias/summary'])
  @Auth('optional')
  @RateLimit('lookup')
  summary(@CurrentUser() requester: Requester | null, @Param('roomIdOrAlias') roomIdOrAlias: string, @QueryParams(summaryQuery) query: z.output<typeof summaryQuery>): Promise<object> {
    return this.summaries.of(requester?.userId ?? null, roomIdOrAlias, query.via);
  }
}
