import { Controller, HttpCode, Post } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import type { Caller } from '../../http/caller.js';
import { CurrentCaller, CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { queryBoolean, queryNumber } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { SlidingSyncService } from '../../sync/sliding/sliding-sync.service.js';
import type { SlidingRequest } from '../../sync/sliding/sliding-request.js';
import { MAX_TIMEOUT_MS } from '../../sync/sync.service.js';
import { unstableRequest, v4Request } from './sliding-bodies.js';
import { positionText, presence as presenceText } from './sliding-sync.schema.js';
import { unstableBody } from './unstable-body.js';
import { v4Body } from './v4-body.js';

const frontierShape = { 'io.partyline.frontier': queryBoolean.default(false) };
const v4Query = z.object(frontierShape);
const unstableQuery = z.object({
  ...frontierShape, pos: positionText.optional(), timeout: queryNumber(MAX_TIMEOUT_MS).optional(), set_presence: presenceText.optional(),
});

/** Sliding sync, in the form of today's clients and in that of MSC4186. */
@Controller()
export class SlidingSyncController {
  constructor(private readonly sync: SlidingSyncService) {}

  @Post('/_matrix/client/unstable/org.matrix.simplified_msc3575/sync')
  @HttpCode(200)
  @Auth('user-or-guest')
  async unstable(
    @CurrentUser() requester: Requester,
    @QueryParams(unstableQuery) query: z.output<typeof unstableQuery>,
    @JsonBody(unstableBody) body: z.output<typeof unstableBody>,
    @CurrentCaller() caller: Caller,
  ): Promise<RawJson> {
    const { pos, timeout, set_presence: presence } = query;
    return this.#answer(unstableRequest(body, { requester, frontier: query['io.partyline.frontier'], pos, timeoutMs: timeout, presence }), caller);
  }

  @Post('/_matrix/client/v4/sync')
  @HttpCode(200)
  @Auth('user-or-guest')
  async v4(
    @CurrentUser() requester: Requester,
    @QueryParams(v4Query) query: z.output<typeof v4Query>,
    @JsonBody(v4Body) body: z.output<typeof v4Body>,
    @CurrentCaller() caller: Caller,
  ): Promise<RawJson> {
    return this.#answer(v4Request(body, { requester, frontier: query['io.partyline.frontier'] }), caller);
  }

  async #answer(request: SlidingRequest, caller: Caller): Promise<RawJson> {
    return new RawJson((await this.sync.sync(request, caller)).text);
  }
}
