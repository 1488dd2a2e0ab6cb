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

/** COMPAT(matrix-js-sdk 43): what MSC4222 was called before it was in the specification. */
export const UNSTABLE_USE = 'org.matrix.msc4222.use_state_after';
export const UNSTABLE_STATE_AFTER = 'org.matrix.msc4222.state_after';

const querySchema = z.object({
  since: z.string().max(512).optional(),
  filter: z.string().max(65_536).optional(),
  full_state: queryBoolean.default(false),
  use_state_after: queryBoolean.default(false),
  set_presence: z.enum(presenceNames).optional(),
  [UNSTABLE_USE]: queryBoolean.default(false),
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
      setPresence: query.set_presence,
      useStateAfter: query.use_state_after || query[UNSTABLE_USE],
      ...(query[UNSTABLE_USE] && !query.use_state_after && { stateAfterName: UNSTABLE_STATE_AFTER }),
      timeoutMs: query.timeout,
      frontier: query['io.partyline.frontier'],
    };
    const unchanged = this.sync.unchanged(parameters, requester);
    return new RawJson(unchanged ?? (await this.sync.sync(requester, parameters, caller)).text);
  }
}
