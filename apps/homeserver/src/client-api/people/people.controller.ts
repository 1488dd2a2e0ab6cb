import { Controller, Get, Post } from '@nestjs/common';
import { z } from 'zod';
import { isUserId } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { PeopleSearch, type PersonShown } from '../../directory/people/people-search.js';
import { PeopleStore } from '../../directory/people/people.store.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { text } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 50;
/** Mutual rooms of one answer. */
const PAGE = 100;

const searchSchema = z.object({ search_term: text(512), limit: z.int().min(1).nullish() });
const mutualQuery = z.object({ user_id: z.string().max(255), from: z.string().regex(/^\d{1,6}$/).optional() });

/** client-server/{users,mutual_rooms}.yaml */
@Controller('/_matrix/client')
export class PeopleController {
  constructor(
    private readonly people: PeopleSearch,
    private readonly store: PeopleStore,
  ) {}

  @Post('v3/user_directory/search')
  @Auth('user')
  @RateLimit('lookup')
  search(@CurrentUser() requester: Requester, @JsonBody(searchSchema) body: z.output<typeof searchSchema>): Promise<{ results: PersonShown[]; limited: boolean }> {
    return this.people.find(requester.userId, body.search_term, Math.min(body.limit ?? DEFAULT_LIMIT, MAX_LIMIT));
  }

  /** COMPAT(Element Web): the path before it was in the specification (MSC2666). */
  @Get(['v1/mutual_rooms', 'unstable/uk.half-shot.msc2666/user/mutual_rooms'])
  @Auth('user')
  @RateLimit('lookup')
  async mutual(@CurrentUser() requester: Requester, @QueryParams(mutualQuery) query: z.output<typeof mutualQuery>): Promise<object> {
    const { user_id: other, from } = query;
    if (other === requester.userId || !isUserId(other, { historical: true })) throw MatrixError.invalidParam('user_id is no user id, or your own');
    const rooms = await this.store.mutualRooms(requester.userId, other);
    const start = Number(from ?? 0);
    const end = start + PAGE;
    return { joined: rooms.slice(start, end), count: rooms.length, ...(end < rooms.length ? { next_batch: `${end}` } : {}) };
  }
}
