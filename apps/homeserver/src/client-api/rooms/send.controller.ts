import { Controller, Param, Post, Put } from '@nestjs/common';
import type { JsonObject } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { DelayedEvents, type DelayedRequest } from '../../rooms/delayed/delayed-events.js';
import { Replication } from '../../rooms/pipeline/replication.js';
import { RoomSender } from '../../rooms/pipeline/room-sender.js';
import { contentSchema, redactSchema, sendQuerySchema, type SendQuery } from './room.schemas.js';

/** client-server/{room_send,room_state,redaction}.yaml: what puts events into rooms. */
@Controller('/_matrix/client/v3/rooms/:roomId')
export class SendController {
  constructor(
    private readonly sender: RoomSender,
    private readonly replication: Replication,
    private readonly delayed: DelayedEvents,
  ) {}

  @Put('send/:eventType/:txnId')
  @Auth('user-or-guest', { suspended: 'refuse' })
  @RateLimit('message')
  async send(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventType') type: string, @Param('txnId') txnId: string,
    @QueryParams(sendQuerySchema) query: SendQuery, @JsonBody(contentSchema) content: JsonObject,
  ): Promise<object> {
    const delayMs = query['org.matrix.msc4140.delay'];
    if (delayMs !== undefined) return this.#delay(requester, { roomId, type, content, txnId, delayMs });
    if (type === 'm.room.redaction' && typeof content['redacts'] !== 'string') throw MatrixError.badJson('redacts must name an event');
    const sent = await this.sender.send(requester, { roomId, type, content, txnId, ...options(query) });
    return this.replication.answer(sent, query['io.partyline.replicas']);
  }

  /** COMPAT(clients of the API's first release, until nobody sends without a transaction id any more) */
  @Post('send/:eventType')
  @Auth('user-or-guest', { suspended: 'refuse' })
  @RateLimit('message')
  async sendOnce(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventType') type: string, @JsonBody(contentSchema) content: JsonObject,
  ): Promise<object> {
    if (type === 'm.room.redaction' && typeof content['redacts'] !== 'string') throw MatrixError.badJson('redacts must name an event');
    return { event_id: (await this.sender.send(requester, { roomId, type, content })).eventId };
  }

  /** COMPAT(as `sendOnce`) */
  @Post('redact/:eventId')
  @Auth('user-or-guest')
  @RateLimit('message')
  async redactOnce(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventId') redacts: string,
    @JsonBody(redactSchema) body: { reason?: string | undefined },
  ): Promise<object> {
    const content: JsonObject = body.reason === undefined ? {} : { reason: body.reason };
    return { event_id: (await this.sender.send(requester, { roomId, type: 'm.room.redaction', redacts, content })).eventId };
  }

  @Put('redact/:eventId/:txnId')
  @Auth('user-or-guest')
  @RateLimit('message')
  async redact(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventId') redacts: string, @Param('txnId') txnId: string,
    @QueryParams(sendQuerySchema) query: SendQuery, @JsonBody(redactSchema) body: { reason?: string | undefined },
  ): Promise<object> {
    const content: JsonObject = body.reason === undefined ? {} : { reason: body.reason };
    const sent = await this.sender.send(requester, { roomId, type: 'm.room.redaction', redacts, content, txnId, ...options(query) });
    return this.replication.answer(sent, query['io.partyline.replicas']);
  }

  @Put('state/:eventType')
  @Auth('user-or-guest', { suspended: 'refuse' })
  @RateLimit('message')
  setState(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventType') type: string,
    @QueryParams(sendQuerySchema) query: SendQuery, @JsonBody(contentSchema) content: JsonObject,
  ): Promise<object> {
    return this.setStateWithKey(requester, roomId, type, '', query, content);
  }

  @Put('state/:eventType/:stateKey')
  @Auth('user-or-guest', { suspended: 'refuse' })
  @RateLimit('message')
  async setStateWithKey(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventType') type: string, @Param('stateKey') stateKey: string,
    @QueryParams(sendQuerySchema) query: SendQuery, @JsonBody(contentSchema) content: JsonObject,
  ): Promise<object> {
    const delayMs = query['org.matrix.msc4140.delay'];
    if (delayMs !== undefined) return this.#delay(requester, { roomId, type, stateKey, content, delayMs });
    const sent = await this.sender.setState(requester, { roomId, type, stateKey, content, ...options(query) });
    return this.replication.answer(sent, query['io.partyline.replicas']);
  }

  /** The event is sent later (MSC4140, as it was first). */
  async #delay(requester: Requester, request: DelayedRequest): Promise<object> {
    if (request.delayMs === 0) throw MatrixError.invalidParam('The delay must be more than nothing');
    try {
      return { delay_id: await this.delayed.add(requester, request) };
    } catch (error) {
      if (!(error instanceof MatrixError) || error.errcode !== 'M_MAX_DELAY_EXCEEDED') throw error;
      const { max_delay: maxDelay } = error.fields;
      throw new MatrixError(400, 'M_UNKNOWN', error.message, { 'org.matrix.msc4140.errcode': error.errcode, 'org.matrix.msc4140.max_delay': maxDelay });
    }
  }
}

function options(query: SendQuery): { onceOnlyKey?: string } {
  const key = query['io.partyline.txn'];
  return key === undefined ? {} : { onceOnlyKey: key };
}
