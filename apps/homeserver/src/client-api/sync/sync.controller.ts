import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { presenceNames } from '../../ephemeral/presence/presence-state.js';
import { Auth } from '../../http/auth.decorator.js';
import type { Caller } from '../../http/caller.js';
import { CurrentCaller, CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { queryBoolean, queryNumber } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { MAX_TIMEOUT_MS, SyncService } from '../../sync/sync.service.js';

const querySchema = z.object({
  since: z.string().max(512).optional(),
  filter: z.string().max(65_536).optional(),
  full_state: queryBoolean.default(false),
  use_state_after: queryBoolean.default(false),
  set_presence: z.enum(presenceNames).optional(),
  timeout: queryNumber(MAX_TIMEOUT_MS).default(0),
  'io.partyline.frontier': queryBoolean.default(false),
});

@Controller('/_matrix/client/v3/sync')
export class SyncController {
  constructor(private readonly sync: SyncService) {}

  @Get()
  @Auth('user-or-guest')
  async get(
    @CurrentUser() requester: Requester,
    @QueryParams(querySchema) query: z.output<typeof querySchema>,
    @CurrentCaller() caller: Caller,
  ): Promise<RawJson> {
    const parameters = {
      since: query.since,
      filter: query.filter,
      fullState: query.full_state,
      useStateAfter: query.use_state_after,
      setPresence: query.set_presence,
      timeoutMs: query.timeout,
      frontier: query['io.partyline.frontier'],
    };
    const unchanged = this.sync.unchanged(parameters, requester);
    return new RawJson(unchanged ?? (await this.sync.sync(requester, parameters, caller)).text);
  }
}
