import { Controller, Get, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, OriginServer, QueryParams } from '../../http/param.decorators.js';
import { queryList } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { MemberReceiver } from '../../rooms/remote/member-receiver.js';
import { MemberTemplates } from '../../rooms/remote/member-templates.js';

const makeKnockQuery = z.object({ ver: queryList(100) });
const anyBody = z.unknown();

/** server-server/knocks.yaml */
@Controller('/_matrix/federation/v1')
export class KnocksController {
  constructor(
    private readonly templates: MemberTemplates,
    private readonly receiver: MemberReceiver,
  ) {}

  @Get('make_knock/:roomId/:userId')
  @Auth('server')
  makeKnock(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('userId') userId: string,
    @QueryParams(makeKnockQuery) query: z.output<typeof makeKnockQuery>,
  ): Promise<object> {
    return this.templates.knock(origin, roomId, userId, query.ver);
  }

  @Put('send_knock/:roomId/:eventId')
  @Auth('server')
  async sendKnock(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('eventId') eventId: string, @JsonBody(anyBody) body: unknown,
  ): Promise<RawJson> {
    const state = await this.receiver.knock(origin, roomId, eventId, body);
    return new RawJson(`{"knock_room_state":[${state.map((event) => event.json).join(',')}]}`);
  }
}
