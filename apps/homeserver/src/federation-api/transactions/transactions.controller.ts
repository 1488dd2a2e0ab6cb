import { Controller, Param, Put, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ClaimedVersions } from '../../federation/claimed-versions.js';
import { InboundTransactions, MAX_EDUS, MAX_PDUS } from '../../federation/inbound/inbound-transactions.js';
import type { PduResults } from '../../federation/pdu-receiver.js';
import { VERSIONS_MEMBER } from '../../homes/records/record-version.js';
import { Auth } from '../../http/auth.decorator.js';
import { parseServerBody } from '../../http/large-bodies.js';
import { OriginServer } from '../../http/param.decorators.js';
import { validate } from '../../http/validate.js';

/** `origin` of the body is left out: the signature says who sent it. What is in the lists is read leniently, one by one. */
const Body = z.object({
  pdus: z.array(z.unknown()).max(MAX_PDUS).default([]),
  edus: z.array(z.unknown()).max(MAX_EDUS).default([]),
  [VERSIONS_MEMBER]: z.unknown().optional(),
});

@Controller('/_matrix/federation/v1')
export class TransactionsController {
  constructor(
    private readonly transactions: InboundTransactions,
    private readonly versions: ClaimedVersions,
  ) {}

  @Put('/send/:txnId')
  @Auth('server')
  async send(
    @OriginServer() origin: string, @Param('txnId') txnId: string, @Req() request: FastifyRequest,
  ): Promise<object> {
    const text = typeof request.body === 'string' ? request.body : '';
    let higher: object = {};
    const answer = answerOf(await this.transactions.receive(origin, txnId, text.length, async () => {
      const body = validate(Body, text === '' ? {} : await parseServerBody(text), 'M_BAD_JSON');
      higher = await this.versions.answer(origin, body[VERSIONS_MEMBER]);
      return body;
    }));
    return Object.keys(higher).length === 0 ? answer : { ...answer, [VERSIONS_MEMBER]: higher };
  }
}

/**
 * The results hold errors only, as all servers expect. Beside them stands for servers like this one which events are shown here,
 * which are not and why, and which could not be judged now and are to be sent again (docs/protocol.md §8).
 */
function answerOf(results: PduResults): object {
  const pdus: Record<string, { error?: string }> = {};
  const taken: string[] = [];
  const twins: Record<string, string> = {};
  const softFailed: Record<string, string> = {};
  const rejected: Record<string, string> = {};
  const later: string[] = [];
  for (const [eventId, result] of Object.entries(results)) {
    pdus[eventId] = result.error === undefined ? {} : { error: result.error };
    if (result.taken) taken.push(eventId);
    if (result.twin !== undefined) twins[eventId] = result.twin;
    if (result.softFailed !== undefined) softFailed[eventId] = result.softFailed;
    if (result.rejected !== undefined) rejected[eventId] = result.rejected;
    if (result.later) later.push(eventId);
  }
  return {
    pdus,
    ...(taken.length > 0 && { 'io.partyline.taken': taken }),
    ...(Object.keys(twins).length > 0 && { 'io.partyline.twins': twins }),
    ...(Object.keys(softFailed).length > 0 && { 'io.partyline.soft_failed': softFailed }),
    ...(Object.keys(rejected).length > 0 && { 'io.partyline.rejected': rejected }),
    ...(later.length > 0 && { 'io.partyline.later': later }),
  };
}
