import { Controller, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { InboundTransactions, MAX_EDUS, MAX_PDUS } from '../../federation/inbound/inbound-transactions.js';
import type { PduResults } from '../../federation/pdu-receiver.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, OriginServer } from '../../http/param.decorators.js';

/** `origin` of the body is left out: the signature says who sent it. What is in the lists is read leniently, one by one. */
const Body = z.object({
  pdus: z.array(z.unknown()).max(MAX_PDUS).default([]),
  edus: z.array(z.unknown()).max(MAX_EDUS).default([]),
});

@Controller('/_matrix/federation/v1')
export class TransactionsController {
  constructor(private readonly transactions: InboundTransactions) {}

  @Put('/send/:txnId')
  @Auth('server')
  async send(
    @OriginServer() origin: string, @Param('txnId') txnId: string, @JsonBody(Body) body: z.output<typeof Body>,
  ): Promise<object> {
    return answerOf(await this.transactions.receive(origin, txnId, body));
  }
}

/** Rejected events stand beside the results, which for other servers hold errors only. */
function answerOf(results: PduResults): object {
  const rejected = Object.entries(results).flatMap(([eventId, result]) => (result.rejected === undefined ? [] : [[eventId, result.rejected] as const]));
  if (rejected.length === 0) return { pdus: results };
  const pdus = { ...results, ...Object.fromEntries(rejected.map(([eventId]) => [eventId, {}])) };
  return { pdus, 'io.partyline.rejected': Object.fromEntries(rejected) };
}
