import { Controller, Get, Param, Post, Put } from '@nestjs/common';
import { z } from 'zod';
import type { JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { type DelayedAction, delayedActions, DelayedEvents } from '../../rooms/delayed/delayed-events.js';
import type { DelayedEvent } from '../../rooms/delayed/delayed-event.entity.js';
import { contentSchema } from '../rooms/room.schemas.js';

const requestSchema = z.looseObject({ delay: z.number().int().min(1), state_key: z.string().optional(), content: contentSchema });
const actionSchema = z.looseObject({ action: z.enum(delayedActions) });
const listSchema = z.object({
  status: z.enum(['scheduled', 'finalised']).optional(),
  room_id: z.string().max(255).optional(),
  type: z.string().max(255).optional(),
  outcome: z.enum(['send', 'cancel', 'error']).optional(),
  reason: z.enum(['action', 'delay']).optional(),
  dir: z.enum(['f', 'b']).default('f'),
});

const UNSTABLE = 'unstable/org.matrix.msc4140/delayed_events';

/**
 * Events that are sent later (MSC4140). Who knows a delay id may decide about its event without a token: clients hand it to those who
 * see that a call has ended.
 */
@Controller('/_matrix/client')
export class DelayedEventsController {
  constructor(private readonly delayed: DelayedEvents) {}

  @Put('v3/rooms/:roomId/delayed_event/:eventType/:txnId')
  @Auth('user-or-guest', { suspended: 'refuse' })
  @RateLimit('message')
  async add(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventType') type: string, @Param('txnId') txnId: string,
    @JsonBody(requestSchema) body: z.output<typeof requestSchema>,
  ): Promise<object> {
    const { delay: delayMs, state_key: stateKey, content } = body;
    const delayId = await this.delayed.add(requester, {
      roomId, type, txnId, delayMs, content: content as JsonObject, ...(stateKey === undefined ? {} : { stateKey }),
    });
    return { delay_id: delayId };
  }

  @Get('v1/delayed_events')
  @Auth('user-or-guest')
  @RateLimit('lookup')
  async list(@CurrentUser() requester: Requester, @QueryParams(listSchema) query: z.output<typeof listSchema>): Promise<object> {
    const events = (await this.delayed.ofUser(requester.userId)).filter((event) => isAsked(event, query)).map(shown);
    return { delayed_events: query.dir === 'f' ? events : events.reverse() };
  }

  /** The form of before: what waits. */
  @Get(UNSTABLE)
  @Auth('user-or-guest')
  @RateLimit('lookup')
  async listWaiting(@CurrentUser() requester: Requester): Promise<object> {
    return { delayed_events: (await this.delayed.ofUser(requester.userId)).filter(({ outcome }) => outcome === null).map(shown) };
  }

  @Get(['v1/delayed_events/:delayId', `${UNSTABLE}/:delayId`])
  @Auth('user-or-guest')
  @RateLimit('lookup')
  async get(@CurrentUser() requester: Requester, @Param('delayId') delayId: string): Promise<object> {
    return shown(await this.delayed.get(requester.userId, delayId));
  }

  @Post(['v1/delayed_events/:delayId/:action', `${UNSTABLE}/:delayId/:action`])
  @Auth('none')
  @RateLimit('delayed-event')
  async act(@Param('delayId') delayId: string, @Param('action') action: string, @JsonBody(contentSchema) _body: JsonObject): Promise<object> {
    if (!(delayedActions as readonly string[]).includes(action)) throw MatrixError.unrecognized();
    await this.delayed.act(delayId, action as DelayedAction);
    return {};
  }

  /** COMPAT(clients that say in the body what is to become of it) */
  @Post(`${UNSTABLE}/:delayId`)
  @Auth('none')
  @RateLimit('delayed-event')
  async actByBody(@Param('delayId') delayId: string, @JsonBody(actionSchema) { action }: z.output<typeof actionSchema>): Promise<object> {
    await this.delayed.act(delayId, action);
    return {};
  }
}

function isAsked(event: DelayedEvent, { status, room_id: roomId, type, outcome, reason }: z.output<typeof listSchema>): boolean {
  return (status === undefined || (status === 'scheduled') === (event.outcome === null)) && (roomId === undefined || roomId === event.roomId)
    && (type === undefined || type === event.type) && (outcome === undefined || outcome === event.outcome) && (reason === undefined || reason === event.reason);
}

function shown({ delayId, roomId, type, stateKey, delayMs, runningSince, content, error, eventId, finalisedTs }: DelayedEvent): object {
  return {
    delay_id: delayId,
    room_id: roomId,
    type,
    ...(stateKey === null ? {} : { state_key: stateKey }),
    delay: delayMs,
    running_since: runningSince,
    content: parseStoredJson(content) as JsonObject,
    ...(error === null ? {} : { error: parseStoredJson(error) as JsonObject }),
    ...(eventId === null ? {} : { event_id: eventId }),
    ...(finalisedTs === null ? {} : { origin_server_ts: finalisedTs }),
  };
}
