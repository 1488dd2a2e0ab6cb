import { Controller, Get, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { DIGEST_BUCKETS, readPlaces, type LogPlaces } from '#federation';
import { parseJson } from '#json';
import { MatrixError } from '../../errors/matrix-error.js';
import { AnswerTurns } from '../../federation/inbound/answer-turns.js';
import { AccountCopies } from '../../homes/ops/account-copies.js';
import { DigestExchange } from '../../homes/ops/digest-exchange.js';
import { OperationExchange } from '../../homes/ops/operation-exchange.js';
import { Auth } from '../../http/auth.decorator.js';
import { BodyOptions } from '../../http/body-options.decorator.js';
import { JsonBody, OriginServer, QueryParams } from '../../http/param.decorators.js';

const operationsBody = z.object({
  version: z.unknown().optional(), heads: z.unknown().optional(), now: z.unknown().optional(), digest: z.unknown().optional(),
  horizon: z.unknown().optional(), ops: z.array(z.unknown()).max(500),
});
const digestBody = z.object({ version: z.unknown().optional(), horizon: z.unknown().optional(), buckets: z.array(z.unknown()).length(DIGEST_BUCKETS) });
const versionQuery = z.object({ version: z.string().max(300).default('null') });
const missingBody = z.object({ version: z.unknown().optional(), since: z.unknown() });

/** The data of an account between its homes (docs/protocol.md, §4). */
@Controller('/_matrix/federation/unstable/io.partyline/account/:userId')
export class AccountReplicationController {
  constructor(
    private readonly exchange: OperationExchange,
    private readonly digests: DigestExchange,
    private readonly copies: AccountCopies,
    private readonly turns: AnswerTurns,
  ) {}

  @Post('ops')
  @Auth('server')
  @BodyOptions({ limit: 8 * 1024 * 1024 })
  async push(
    @OriginServer() origin: string, @Param('userId') userId: string, @JsonBody(operationsBody) body: z.output<typeof operationsBody>,
  ): Promise<object> {
    return this.exchange.receive(origin, userId, body);
  }

  @Post('ops/missing')
  @Auth('server')
  @BodyOptions({ limit: 4 * 1024 * 1024 })
  missing(
    @OriginServer() origin: string, @Param('userId') userId: string, @JsonBody(missingBody) body: z.output<typeof missingBody>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return this.turns.run(origin, reply.raw, () => this.exchange.page(origin, userId, readSince(body.since), body.version));
  }

  @Post('digest')
  @Auth('server')
  digest(
    @OriginServer() origin: string, @Param('userId') userId: string, @JsonBody(digestBody) body: z.output<typeof digestBody>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return this.turns.run(origin, reply.raw, () => this.digests.answer(origin, userId, body));
  }

  @Get('snapshot')
  @Auth('server')
  snapshot(
    @OriginServer() origin: string, @Param('userId') userId: string, @QueryParams(versionQuery) query: z.output<typeof versionQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return this.turns.run(origin, reply.raw, () => this.copies.give(origin, userId, readJson('version', query.version)));
  }
}

function readJson(name: string, text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    throw MatrixError.invalidParam(`${name}: not JSON`);
  }
}

function readSince(value: unknown): LogPlaces {
  const places = readPlaces(value);
  if (!places) throw MatrixError.invalidParam('since: not places by log');
  return places;
}
