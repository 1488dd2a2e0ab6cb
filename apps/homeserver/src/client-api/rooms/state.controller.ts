import { Controller, Get, Param } from '@nestjs/common';
import { clientEventJson, type RoomEvent } from '#federation';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { RawJson } from '../../http/raw-json.js';
import { Clock } from '../../observability/clock.js';
import { membershipOf } from '../../rooms/state/room-state.js';
import { RoomAccess } from '../../rooms/timeline/room-access.js';
import { SyncTokens } from '../../sync/sync-tokens.js';
import { membersQuerySchema, type MembersQuery } from './room.schemas.js';

const stateQuerySchema = z.object({ format: z.enum(['content', 'event']).optional() });
type StateQuery = z.output<typeof stateQuerySchema>;

/** client-server/{room_state,rooms}.yaml: reading a room's state. */
@Controller('/_matrix/client/v3/rooms/:roomId')
export class StateController {
  constructor(
    private readonly access: RoomAccess,
    private readonly tokens: SyncTokens,
    private readonly clock: Clock,
  ) {}

  @Get('state')
  @Auth('user-or-guest')
  async all(@CurrentUser() requester: Requester, @Param('roomId') roomId: string): Promise<RawJson> {
    const state = await this.access.visibleState(requester.userId, roomId);
    return new RawJson(`[${(await state.all()).map((event) => this.#text(event)).join(',')}]`);
  }

  @Get('state/:eventType')
  @Auth('user-or-guest')
  one(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventType') type: string,
    @QueryParams(stateQuerySchema) query: StateQuery,
  ): Promise<RawJson> {
    return this.oneWithKey(requester, roomId, type, '', query);
  }

  @Get('state/:eventType/:stateKey')
  @Auth('user-or-guest')
  async oneWithKey(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventType') type: string, @Param('stateKey') stateKey: string,
    @QueryParams(stateQuerySchema) query: StateQuery,
  ): Promise<RawJson> {
    const state = await this.access.visibleState(requester.userId, roomId);
    const event = await state.get(type, stateKey);
    if (!event) throw MatrixError.notFound('The room has no such state');
    return new RawJson(query.format === 'event' ? this.#text(event) : JSON.stringify(event.pdu.content));
  }

  @Get('members')
  @Auth('user-or-guest')
  async members(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(membersQuerySchema) query: MembersQuery): Promise<RawJson> {
    const state = query.at === undefined
      ? await this.access.visibleState(requester.userId, roomId)
      : await this.access.visibleStateAt(requester.userId, roomId, (await this.tokens.placeOf(query.at, 'b')).pos);
    const members = (await state.all('m.room.member')).filter((event) => {
      const membership = membershipOf(event);
      if (query.membership !== undefined && membership !== query.membership) return query.not_membership !== undefined && membership !== query.not_membership;
      return query.not_membership === undefined || membership !== query.not_membership;
    });
    return new RawJson(`{"chunk":[${members.map((event) => this.#text(event)).join(',')}]}`);
  }

  @Get('joined_members')
  @Auth('user-or-guest')
  async joinedMembers(@CurrentUser() requester: Requester, @Param('roomId') roomId: string): Promise<object> {
    const { room } = await this.access.visibleState(requester.userId, roomId);
    if (!room.state.joined.has(requester.userId)) throw MatrixError.forbidden('You are not in this room');
    const joined: Record<string, object> = Object.create(null) as Record<string, object>;
    for (const userId of room.state.joined) {
      const { displayname, avatar_url } = room.state.get('m.room.member', userId)?.pdu.content ?? {};
      joined[userId] = { display_name: displayname ?? null, avatar_url: avatar_url ?? null };
    }
    return { joined };
  }

  #text(event: RoomEvent): string {
    return clientEventJson(event, { unsigned: `{"age":${this.clock.now() - event.pdu.origin_server_ts}}` });
  }
}
