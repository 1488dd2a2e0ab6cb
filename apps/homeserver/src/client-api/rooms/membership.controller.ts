import { Controller, Get, Param, Post } from '@nestjs/common';
import type { JsonObject } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { Inviter } from '../../rooms/membership/inviter.js';
import { Joiner } from '../../rooms/membership/joiner.js';
import { Knocker } from '../../rooms/membership/knocker.js';
import { MemberChanges } from '../../rooms/membership/member-changes.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { RoomAddresses } from '../../rooms/membership/room-address.js';
import { ThirdPartyExchange } from '../../rooms/third-party/third-party-exchange.js';
import { ThirdPartyInviter } from '../../rooms/third-party/third-party-inviter.js';
import { addressOf, inviteSchema, joinSchema, memberChangeSchema, reasonSchema, viaSchema, type InviteBody, type JoinBody, type MemberChangeBody, type ReasonBody, type ViaQuery } from './room.schemas.js';

/** client-server/{joining,knocking,leaving,kicking,banning,inviting,list_joined_rooms,third_party_membership}.yaml */
@Controller('/_matrix/client/v3')
export class MembershipController {
  constructor(
    private readonly joiner: Joiner,
    private readonly knocker: Knocker,
    private readonly changes: MemberChanges,
    private readonly inviter: Inviter,
    private readonly thirdParty: ThirdPartyInviter,
    private readonly exchange: ThirdPartyExchange,
    private readonly memberships: Memberships,
    private readonly addresses: RoomAddresses,
  ) {}

  @Get('joined_rooms')
  @Auth('user-or-guest')
  async joinedRooms(@CurrentUser() requester: Requester): Promise<object> {
    const rooms = [...(await this.memberships.roomsOf(requester.userId)).values()];
    return { joined_rooms: rooms.filter((room) => room.membership === 'join').map((room) => room.roomId) };
  }

  /** Guests may join where the room takes them. Members of the body that nobody defined become part of the event's content. */
  @Post('join/:roomIdOrAlias')
  @Auth('user-or-guest', { suspended: 'refuse' })
  @RateLimit('join')
  async joinByAddress(
    @CurrentUser() requester: Requester, @Param('roomIdOrAlias') address: string, @QueryParams(viaSchema) query: ViaQuery,
    @JsonBody(joinSchema) body: JoinBody,
  ): Promise<object> {
    const { roomId, servers } = await this.addresses.resolve(address, [...(query.via ?? []), ...(query.server_name ?? [])]);
    if (body.third_party_signed) {
      const { sender, mxid } = body.third_party_signed;
      if (mxid !== requester.userId) throw MatrixError.forbidden('This invitation was signed for another account');
      await this.exchange.redeem({ roomId, sender, target: mxid, signed: body.third_party_signed as JsonObject, via: servers });
    }
    await this.joiner.join({ roomId, userId: requester.userId, via: servers, content: joinContent(body) });
    return { room_id: roomId };
  }

  @Post('rooms/:roomId/join')
  @Auth('user-or-guest', { suspended: 'refuse' })
  @RateLimit('join')
  joinById(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(viaSchema) query: ViaQuery,
    @JsonBody(joinSchema) body: JoinBody,
  ): Promise<object> {
    return this.joinByAddress(requester, roomId, query, body);
  }

  @Post('knock/:roomIdOrAlias')
  @Auth('user', { suspended: 'refuse' })
  @RateLimit('join')
  async knock(
    @CurrentUser() requester: Requester, @Param('roomIdOrAlias') address: string, @QueryParams(viaSchema) query: ViaQuery,
    @JsonBody(reasonSchema) body: ReasonBody,
  ): Promise<object> {
    const { roomId, servers } = await this.addresses.resolve(address, [...(query.via ?? []), ...(query.server_name ?? [])]);
    await this.knocker.knock({ roomId, userId: requester.userId, via: servers, content: reasonOf(body) });
    return { room_id: roomId };
  }

  @Post('rooms/:roomId/leave')
  @Auth('user-or-guest')
  async leave(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @JsonBody(reasonSchema) body: ReasonBody): Promise<object> {
    await this.changes.leave({ roomId, sender: requester.userId, ...reasonOf(body) });
    return {};
  }

  @Post('rooms/:roomId/forget')
  @Auth('user-or-guest')
  async forget(@CurrentUser() requester: Requester, @Param('roomId') roomId: string): Promise<object> {
    if (!(await this.memberships.forget(requester.userId, roomId))) throw MatrixError.unknown(400, 'Leave the room before you forget it');
    return {};
  }

  @Post('rooms/:roomId/invite')
  @Auth('user', { suspended: 'refuse' })
  @RateLimit('invite')
  async invite(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @JsonBody(inviteSchema) body: InviteBody): Promise<object> {
    const { user_id: target } = body;
    if (target !== undefined) await this.inviter.invite({ roomId, sender: requester.userId, target, content: reasonOf(body) });
    else await this.thirdParty.invite({ roomId, sender: requester.userId, ...addressOf(body as Required<InviteBody>), content: {} });
    return {};
  }

  @Post('rooms/:roomId/kick')
  @Auth('user', { suspended: 'refuse' })
  async kick(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @JsonBody(memberChangeSchema) body: MemberChangeBody): Promise<object> {
    const release = body['io.partyline.release'];
    await this.changes.kick({ roomId, sender: requester.userId, target: body.user_id, ...reasonOf(body), ...(release !== undefined && { release }) });
    return {};
  }

  @Post('rooms/:roomId/ban')
  @Auth('user', { suspended: 'refuse' })
  async ban(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @JsonBody(memberChangeSchema) body: MemberChangeBody): Promise<object> {
    await this.changes.ban({ roomId, sender: requester.userId, target: body.user_id, ...reasonOf(body) });
    return {};
  }

  @Post('rooms/:roomId/unban')
  @Auth('user', { suspended: 'refuse' })
  async unban(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @JsonBody(memberChangeSchema) body: MemberChangeBody): Promise<object> {
    await this.changes.unban({ roomId, sender: requester.userId, target: body.user_id, ...reasonOf(body) });
    return {};
  }
}

function reasonOf(body: { reason?: string | undefined }): { reason?: string } & JsonObject {
  return body.reason === undefined ? {} : { reason: body.reason };
}

function joinContent({ third_party_signed: _, reason, ...more }: JoinBody): JsonObject {
  return { ...(more as JsonObject), ...reasonOf({ reason }) };
}
