import { Controller, Get, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { RoomCopies } from '../../homes/attach/room-copies.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, OriginServer, QueryParams } from '../../http/param.decorators.js';
import { RawJson } from '../../http/raw-json.js';

const attachQuery = z.object({ user_id: z.string().max(255) });
const attachBody = z.object({ user_id: z.string().max(255), record: z.unknown().optional(), ends_only: z.boolean().default(false) });

/** Copies of rooms for new homes of their members (docs/protocol.md, §3). */
@Controller('/_matrix/federation/unstable/io.partyline/attach')
export class AttachController {
  constructor(private readonly copies: RoomCopies) {}

  @Get(':roomId')
  @Auth('server')
  async get(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @QueryParams(attachQuery) query: z.output<typeof attachQuery>,
  ): Promise<RawJson> {
    return new RawJson(await this.copies.copy({ origin, roomId, userId: query.user_id, endsOnly: false }));
  }

  /** With a record that this server may not have: that of an emergency home is newer than the room's. */
  @Post(':roomId')
  @Auth('server')
  async post(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @JsonBody(attachBody) body: z.output<typeof attachBody>,
  ): Promise<RawJson> {
    return new RawJson(await this.copies.copy({ origin, roomId, userId: body.user_id, record: body.record, endsOnly: body.ends_only }));
  }
}
