import { Controller, Get, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { DIGEST_BUCKETS, readPlaces, type LogPlaces } from '#federation';
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
const sinceQuery = z.object({ since: z.string().max(65_536).default('{}'), version: z.string().max(200).default('null') });

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

  @Get('ops')
  @Auth('server')
  pull(
    @OriginServer() origin: string, @Param('userId') userId: string, @QueryParams(sinceQuery) query: z.output<typeof sinceQuery>,
  ): Promise<object> {
    return this.exchange.page(origin, userId, readSince(query.since), readJson('version', query.version));
  }

  @Post('digest')
  @Auth('server')
  digest(
    @OriginServer() origin: string, @Param('userId') userId: string, @JsonBody(digestBody) body: z.output<typeof digestBody>,
  ): Promise<object> {
    return this.digests.answer(origin, userId, body);
  }

  @Get('snapshot')
  @Auth('server')
  snapshot(@OriginServer() origin: string, @Param('userId') userId: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    return this.turns.run(origin, reply.raw, () => this.copies.give(origin, userId));
  }
}

function readSince(text: string): LogPlaces {
  const places = readPlaces(readJson('since', text));
  if (!places) throw MatrixError.invalidParam('since: not places by log');
  return places;
}

function readJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw MatrixError.invalidParam(`${name}: not JSON`);
  }
}
