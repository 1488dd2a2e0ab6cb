import { Controller, Get, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import type { RoomEvent } from '#federation';
import { Config } from '../../config/config.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, OriginServer, QueryParams } from '../../http/param.decorators.js';
import { queryList } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { MemberReceiver, type JoinedRoom } from '../../rooms/remote/member-receiver.js';
import { MemberTemplates } from '../../rooms/remote/member-templates.js';

/** Servers that do not say which versions they know, know version 1. */
const makeJoinQuery = z.object({ ver: queryList(100).optional() });
const anyBody = z.unknown();

/** server-server/{joins-v1,joins-v2,leaving-v1,leaving-v2}.yaml */
@Controller('/_matrix/federation')
export class JoinsController {
  constructor(
    private readonly config: Config,
    private readonly templates: MemberTemplates,
    private readonly receiver: MemberReceiver,
  ) {}

  @Get('v1/make_join/:roomId/:userId')
  @Auth('server')
  makeJoin(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('userId') userId: string,
    @QueryParams(makeJoinQuery) query: z.output<typeof makeJoinQuery>,
  ): Promise<object> {
    return this.templates.join(origin, roomId, userId, query.ver ?? ['1']);
  }

  @Put('v2/send_join/:roomId/:eventId')
  @Auth('server')
  async sendJoin(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('eventId') eventId: string, @JsonBody(anyBody) body: unknown,
  ): Promise<RawJson> {
    return new RawJson(this.#joinText(await this.receiver.join(origin, roomId, eventId, body)));
  }

  @Put('v1/send_join/:roomId/:eventId')
  @Auth('server')
  async sendJoinV1(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('eventId') eventId: string, @JsonBody(anyBody) body: unknown,
  ): Promise<RawJson> {
    return new RawJson(`[200,${this.#joinText(await this.receiver.join(origin, roomId, eventId, body))}]`);
  }

  @Get('v1/make_leave/:roomId/:userId')
  @Auth('server')
  makeLeave(@OriginServer() origin: string, @Param('roomId') roomId: string, @Param('userId') userId: string): Promise<object> {
    return this.templates.leave(origin, roomId, userId);
  }

  @Put('v2/send_leave/:roomId/:eventId')
  @Auth('server')
  async sendLeave(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('eventId') eventId: string, @JsonBody(anyBody) body: unknown,
  ): Promise<object> {
    await this.receiver.leave(origin, roomId, eventId, body);
    return {};
  }

  @Put('v1/send_leave/:roomId/:eventId')
  @Auth('server')
  async sendLeaveV1(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('eventId') eventId: string, @JsonBody(anyBody) body: unknown,
  ): Promise<object> {
    await this.receiver.leave(origin, roomId, eventId, body);
    return [200, {}];
  }

  #joinText({ room, event, state, authChain }: JoinedRoom): string {
    const servers = JSON.stringify([this.config.serverName, ...room.state.otherServers]);
    return `{"auth_chain":${list(authChain)},"event":${event.json},"members_omitted":false,"origin":${JSON.stringify(this.config.serverName)},"servers_in_room":${servers},"state":${list(state)}}`;
  }
}

function list(events: readonly RoomEvent[]): string {
  return `[${events.map((event) => event.json).join(',')}]`;
}
