import { Controller, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { messageIdOf, ToDevice } from '../../device-keys/to-device/to-device.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimits } from '../../http/rate-limits.js';
import { boundedRecord, userIdText } from '../keys/keys.schema.js';
import { onceOnlyKey } from '../rooms/room.schemas.js';

const schema = z.object({ messages: boundedRecord(boundedRecord(z.looseObject({})), userIdText) });

/** Of the once-only key of a write, the same at every home (protocol §6). */
const querySchema = z.object({ 'io.partyline.txn': onceOnlyKey });

/** Devices that an account is taken to have. */
const DEVICES = 5;

/** Client-api "send-to-device messaging". */
@Controller('/_matrix/client/v3/sendToDevice')
export class SendToDeviceController {
  constructor(
    private readonly toDevice: ToDevice,
    private readonly limits: RateLimits,
  ) {}

  @Put(':eventType/:txnId')
  @Auth('user-or-guest')
  async send(
    @CurrentUser() { userId, deviceId, tokenHash }: Requester,
    @Param('eventType') type: string,
    @Param('txnId') txnId: string,
    @QueryParams(querySchema) { 'io.partyline.txn': key }: z.output<typeof querySchema>,
    @JsonBody(schema) body: z.output<typeof schema>,
  ): Promise<object> {
    if (type.length > 255) throw MatrixError.invalidParam('The event type is too long');
    this.limits.take('to-device', userId, costOf(body.messages));
    const messageId = messageIdOf(userId, deviceId ?? '', key === undefined ? tokenHash : '', type, key ?? txnId);
    await this.toDevice.send({ sender: userId, type, messageId, messages: body.messages });
    return {};
  }
}

/** A message to a device costs as much as 4 KiB; one to all devices of an account is several. */
function costOf(messages: Readonly<Record<string, Readonly<Record<string, object>>>>): number {
  let cost = 0;
  for (const devices of Object.values(messages)) {
    for (const [device, content] of Object.entries(devices)) cost += (device === '*' ? DEVICES : 1) * (1 + Math.floor(JSON.stringify(content).length / 4_096));
  }
  return Math.max(1, cost);
}
