import { Controller, Get, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { AnswerTurns } from '../../federation/inbound/answer-turns.js';
import { RoomCopies, type CopyRequest } from '../../homes/attach/room-copies.js';
import { Auth } from '../../http/auth.decorator.js';
import { BodyOptions } from '../../http/body-options.decorator.js';
import { JsonBody, OriginServer, QueryParams } from '../../http/param.decorators.js';
import { RawJson } from '../../http/raw-json.js';

const attachQuery = z.object({ user_id: z.string().max(255) });
const ids = (max: number) => z.array(z.string().max(255)).max(max);
const attachBody = z.object({
  user_id: z.string().max(255),
  record: z.unknown().optional(),
  ends_only: z.boolean().default(false),
  admissions: z.boolean().default(false),
  seen: ids(200).optional(),
  since: ids(500).optional(),
  known: ids(20_000).optional(),
});

/** Copies of rooms for new homes of their members (docs/protocol.md, §3). */
@Controller('/_matrix/federation/unstable/io.partyline/attach')
export class AttachController {
  constructor(
    private readonly copies: RoomCopies,
    private readonly turns: AnswerTurns,
  ) {}

  @Get(':roomId')
  @Auth('server')
  async get(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @QueryParams(attachQuery) query: z.output<typeof attachQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RawJson> {
    return this.#answer(reply, { origin, roomId, userId: query.user_id, endsOnly: false });
  }

  /** With a record that this server may not have: that of an emergency home is newer than the room's. */
  @Post(':roomId')
  @Auth('server')
  @BodyOptions({ limit: 4 * 1024 * 1024 })
  async post(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @JsonBody(attachBody) body: z.output<typeof attachBody>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RawJson> {
    return this.#answer(reply, {
      origin, roomId, userId: body.user_id, record: body.record, endsOnly: body.ends_only, admissions: body.admissions, seen: body.seen, since: body.since, known: body.known,
    });
  }

  #answer(reply: FastifyReply, request: CopyRequest): Promise<RawJson> {
    return this.turns.run(request.origin, reply.raw, async () => new RawJson(await this.copies.copy(request)));
  }
}
