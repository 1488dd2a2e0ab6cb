import { Controller, Get, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { RoomEvent } from '#federation';
import { AnswerTurns } from '../../federation/inbound/answer-turns.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, OriginServer, QueryParams } from '../../http/param.decorators.js';
import { queryList, queryNumber, queryTime, text } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { ServerHistory } from '../../rooms/history/server-history.js';

const MAX_BACKFILL = 100;
const MAX_MISSING = 50;
const DEFAULT_MISSING = 10;

const eventId = text(255);
const stateQuery = z.object({ event_id: eventId });
const backfillQuery = z.object({ v: queryList(50), limit: queryNumber(MAX_BACKFILL) });
const timeQuery = z.object({ ts: queryTime, dir: z.enum(['f', 'b']) });
const missingBody = z.object({
  latest_events: z.array(eventId).max(50).default([]),
  earliest_events: z.array(eventId).max(500).default([]),
  limit: z.number().int().min(0).nullish(),
  min_depth: z.number().int().nullish(),
});

/** server-server/{events,backfill,event_auth}.yaml */
@Controller('/_matrix/federation/v1')
export class HistoryController {
  constructor(
    private readonly history: ServerHistory,
    private readonly turns: AnswerTurns,
  ) {}

  @Get('event/:eventId')
  @Auth('server')
  async event(@OriginServer() origin: string, @Param('eventId') id: string): Promise<RawJson> {
    return new RawJson(await this.history.event(origin, id));
  }

  @Get('state/:roomId')
  @Auth('server')
  state(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @QueryParams(stateQuery) query: z.output<typeof stateQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RawJson> {
    return this.turns.run(origin, reply.raw, async () => {
      const { state, authChain } = await this.history.stateBefore(origin, roomId, query.event_id);
      return new RawJson(`{"auth_chain":${list(authChain)},"pdus":${list(state)}}`);
    });
  }

  @Get('state_ids/:roomId')
  @Auth('server')
  stateIds(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @QueryParams(stateQuery) query: z.output<typeof stateQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return this.turns.run(origin, reply.raw, async () => {
      const { state, authChain } = await this.history.stateBefore(origin, roomId, query.event_id);
      return { pdu_ids: state.map((event) => event.eventId), auth_chain_ids: authChain.map((event) => event.eventId) };
    });
  }

  @Get('backfill/:roomId')
  @Auth('server')
  async backfill(@OriginServer() origin: string, @Param('roomId') roomId: string, @QueryParams(backfillQuery) query: z.output<typeof backfillQuery>): Promise<RawJson> {
    return new RawJson(await this.history.backfill(origin, roomId, query.v, query.limit));
  }

  @Get('timestamp_to_event/:roomId')
  @Auth('server')
  async eventAt(@OriginServer() origin: string, @Param('roomId') roomId: string, @QueryParams(timeQuery) query: z.output<typeof timeQuery>): Promise<object> {
    const { eventId: found, ts } = await this.history.eventAt(origin, roomId, query.dir, query.ts);
    return { event_id: found, origin_server_ts: ts };
  }

  @Post('get_missing_events/:roomId')
  @Auth('server')
  async missingEvents(@OriginServer() origin: string, @Param('roomId') roomId: string, @JsonBody(missingBody) body: z.output<typeof missingBody>): Promise<RawJson> {
    const events = await this.history.missingEvents(origin, roomId, {
      latest: body.latest_events,
      earliest: body.earliest_events,
      limit: Math.min(body.limit ?? DEFAULT_MISSING, MAX_MISSING),
      minDepth: body.min_depth ?? 0,
    });
    return new RawJson(`{"events":[${events.join(',')}]}`);
  }

  @Get('event_auth/:roomId/:eventId')
  @Auth('server')
  eventAuth(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('eventId') id: string, @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RawJson> {
    return this.turns.run(origin, reply.raw, async () => new RawJson(`{"auth_chain":${list(await this.history.eventAuth(origin, roomId, id))}}`));
  }
}

function list(events: readonly RoomEvent[]): string {
  return `[${events.map((event) => event.json).join(',')}]`;
}
