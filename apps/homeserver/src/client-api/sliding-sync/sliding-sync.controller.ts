import { Controller, HttpCode, Post } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import type { Caller } from '../../http/caller.js';
import { CurrentCaller, CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { queryBoolean, queryNumber } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { MAX_TIMELINE_LIMIT } from '../../sync/filter/sync-filter.js';
import { SlidingSyncService } from '../../sync/sliding/sliding-sync.service.js';
import type { SlidingRequest } from '../../sync/sliding/sliding-request.js';
import { MAX_TIMEOUT_MS } from '../../sync/sync.service.js';
import { extensionsOf } from './extensions-body.js';
import { assertBounds, positionText, presence, presenceNamed } from './sliding-sync.schema.js';
import { MAX_UNSTABLE_SUBSCRIPTIONS, unstableBody, unstableConfig, unstableList } from './unstable-body.js';
import { MAX_V4_SUBSCRIPTIONS, v4Body, v4Config, v4List } from './v4-body.js';

const frontierShape = { 'io.partyline.frontier': queryBoolean.default(false) };
const v4Query = z.object(frontierShape);
const unstableQuery = z.object({
  ...frontierShape, pos: positionText.optional(), timeout: queryNumber(MAX_TIMEOUT_MS).optional(), set_presence: presence.optional(),
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
    assertBounds({ ...body, set_presence: query.set_presence ?? body.set_presence }, MAX_UNSTABLE_SUBSCRIPTIONS);
    const config = (one: Parameters<typeof unstableConfig>[0]) => unstableConfig(one, requester.userId, MAX_TIMELINE_LIMIT);
    return this.#answer({
      requester, dialect: 'unstable', connId: body.conn_id ?? '', pos: query.pos ?? body.pos, timeoutMs: query.timeout ?? body.timeout ?? 0,
      setPresence: presenceNamed(query.set_presence ?? body.set_presence),
      lists: new Map(Object.entries(body.lists ?? {}).map(([name, list]) => [name, { ...unstableList(list), config: config(list) }])),
      subscriptions: new Map(Object.entries(body.room_subscriptions ?? {}).map(([roomId, one]) => [roomId, config(one)])),
      extensions: extensionsOf(body.extensions), frontier: query['io.partyline.frontier'], txnId: body.txn_id,
    }, caller);
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
    assertBounds(body, MAX_V4_SUBSCRIPTIONS);
    return this.#answer({
      requester, dialect: 'v4', connId: body.conn_id ?? '', pos: body.pos, timeoutMs: body.timeout ?? 0, setPresence: presenceNamed(body.set_presence),
      lists: new Map(Object.entries(body.lists ?? {}).map(([name, list]) => [name, { ...v4List(list), config: v4Config(list, MAX_TIMELINE_LIMIT) }])),
      subscriptions: new Map(Object.entries(body.room_subscriptions ?? {}).map(([roomId, one]) => [roomId, v4Config(one, MAX_TIMELINE_LIMIT)])),
      extensions: extensionsOf(body.extensions), frontier: query['io.partyline.frontier'], txnId: undefined,
    }, caller);
  }

  async #answer(request: SlidingRequest, caller: Caller): Promise<RawJson> {
    return new RawJson((await this.sync.sync(request, caller)).text);
  }
}
