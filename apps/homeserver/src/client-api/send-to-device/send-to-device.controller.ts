import { Controller, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { messageIdOf, ToDevice } from '../../device-keys/to-device/to-device.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { boundedRecord, userIdText } from '../keys/keys.schema.js';

const schema = z.object({ messages: boundedRecord(boundedRecord(z.looseObject({})), userIdText) });

/** Form of a transaction id that is unique beyond sessions and the same at every home (protocol §6). */
const PORTABLE_TXN = /^[A-Za-z0-9_-]{22}$/;

/** Client-api "send-to-device messaging". */
@Controller('/_matrix/client/v3/sendToDevice')
export class SendToDeviceController {
  constructor(private readonly toDevice: ToDevice) {}

  @Put(':eventType/:txnId')
  @Auth('user-or-guest')
  async send(
    @CurrentUser() { userId, deviceId, tokenHash }: Requester,
    @Param('eventType') type: string,
    @Param('txnId') txnId: string,
    @JsonBody(schema) body: z.output<typeof schema>,
  ): Promise<object> {
    if (type.length > 255) throw MatrixError.invalidParam('The event type is too long');
    const session = PORTABLE_TXN.test(txnId) ? '' : tokenHash;
    const messageId = messageIdOf(userId, deviceId ?? '', session, type, txnId);
    await this.toDevice.send({ sender: userId, type, messageId, messages: body.messages });
    return {};
  }
}
