import { Controller, Get, Param, Post } from '@nestjs/common';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RawJson } from '../../http/raw-json.js';
import { Filters } from '../../sync/filter/filters.js';
import { type SyncFilter, syncFilterSchema } from '../../sync/filter/sync-filter.js';

@Controller('/_matrix/client/v3/user/:userId/filter')
export class FilterController {
  constructor(private readonly filters: Filters) {}

  @Post()
  @Auth('user-or-guest')
  async define(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @JsonBody(syncFilterSchema) filter: SyncFilter,
  ): Promise<object> {
    mustBeOwn(requester, userId);
    return { filter_id: await this.filters.define(userId, filter) };
  }

  @Get(':filterId')
  @Auth('user-or-guest')
  async read(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @Param('filterId') filterId: string,
  ): Promise<RawJson> {
    mustBeOwn(requester, userId);
    return new RawJson(await this.filters.json(userId, filterId));
  }
}

function mustBeOwn(requester: Requester, userId: string): void {
  if (requester.userId !== userId) throw MatrixError.forbidden('Filters of other users are their own');
}
