import { Controller, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { isJsonObject, isRoomId, isUserId, type JsonObject } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { BodyOptions } from '../../http/body-options.decorator.js';
import { JsonBody, OriginServer } from '../../http/param.decorators.js';
import { text } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { ThirdPartyExchange } from '../../rooms/third-party/third-party-exchange.js';

const userId = text(255).refine((value) => isUserId(value, { historical: true }), 'must be a user id');
const signed = z.custom<JsonObject>(isJsonObject, 'must be an object');
const exchangeBody = z.looseObject({
  type: z.literal('m.room.member'), room_id: z.string().max(255), sender: userId, state_key: userId,
  content: z.looseObject({ membership: z.literal('invite'), third_party_invite: z.looseObject({ signed }) }),
});
const onbindBody = z.looseObject({
  mxid: userId,
  invites: z.array(z.looseObject({ room_id: text(255).refine((value) => isRoomId(value), 'must be a room id'), sender: userId, signed })).max(20),
});

/** server-server/third_party_invite.yaml */
@Controller('/_matrix/federation/v1')
export class ThirdPartyInvitesController {
  constructor(
    private readonly accounts: AccountDirectory,
    private readonly invites: ThirdPartyExchange,
  ) {}

  @Put('exchange_third_party_invite/:roomId')
  @Auth('server')
  async exchange(@OriginServer() origin: string, @Param('roomId') roomId: string, @JsonBody(exchangeBody) body: z.output<typeof exchangeBody>): Promise<object> {
    if (body.room_id !== roomId) throw MatrixError.invalidParam('The event is of another room');
    await this.invites.exchange(origin, { roomId, sender: body.sender, target: body.state_key, signed: body.content.third_party_invite.signed });
    return {};
  }

  /** Identity servers have no key to sign with; what they bring proves itself. */
  @Put('3pid/onbind')
  @Auth('none')
  @BodyOptions({ unsigned: true })
  @RateLimit('invite')
  async onBind(@JsonBody(onbindBody) { mxid, invites }: z.output<typeof onbindBody>): Promise<object> {
    if (!this.accounts.has(mxid)) throw MatrixError.notFound('There is no such account on this server');
    await this.invites.bound(invites.map(({ room_id: roomId, sender, signed: proof }) => ({ roomId, sender, target: mxid, signed: proof, via: [] })));
    return {};
  }
}
