import { Controller, Post } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { RawJson } from '../../http/raw-json.js';
import { SearchAnswers } from '../../sync/search/search-answers.js';
import { type SearchBody, searchSchema } from '../../sync/search/search-request.js';

const pageQuery = z.object({ next_batch: z.string().max(1_024).optional() });

/** client-server/search.yaml */
@Controller('/_matrix/client/v3')
export class SearchController {
  constructor(private readonly answers: SearchAnswers) {}

  @Post('search')
  @Auth('user')
  @RateLimit('lookup')
  async search(@CurrentUser() requester: Requester, @QueryParams(pageQuery) query: z.output<typeof pageQuery>, @JsonBody(searchSchema) body: SearchBody): Promise<RawJson> {
    const wish = body.search_categories.room_events;
    return new RawJson(`{"search_categories":{${wish ? `"room_events":${await this.answers.roomEvents(requester, wish, query.next_batch)}` : ''}}}`);
  }
}
