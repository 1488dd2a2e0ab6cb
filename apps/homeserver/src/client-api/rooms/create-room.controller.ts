import { Controller, Post } from '@nestjs/common';
import { isRoomAlias, type JsonObject } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { Config } from '../../config/config.js';
import { RoomDirectory } from '../../directory/room-directory.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { RoomCreator } from '../../rooms/creation/room-creator.js';
import { addressOf, createRoomSchema, type CreateRoomBody } from './room.schemas.js';

/** client-server/create_room.yaml */
@Controller('/_matrix/client/v3')
export class CreateRoomController {
  constructor(
    private readonly config: Config,
    private readonly creator: RoomCreator,
    private readonly directory: RoomDirectory,
  ) {}

  @Post('createRoom')
  @Auth('user', { suspended: 'refuse' })
  @RateLimit('join')
  async create(@CurrentUser() requester: Requester, @JsonBody(createRoomSchema) body: CreateRoomBody): Promise<object> {
    const visibility = body.visibility ?? 'private';
    const roomId = await this.creator.create(requester.userId, {
      visibility,
      preset: body.preset ?? (visibility === 'public' ? 'public_chat' : 'private_chat'),
      invite: [...new Set(body.invite ?? [])].filter((invitee) => invitee !== requester.userId),
      inviteAddresses: (body.invite_3pid ?? []).map(addressOf),
      isDirect: body.is_direct ?? false,
      creationContent: (body.creation_content ?? {}) as JsonObject,
      initialState: (body.initial_state ?? []).map(({ type, state_key: stateKey, content }) => ({
        type, stateKey: stateKey ?? '', content: content as JsonObject,
      })),
      powerLevelOverride: (body.power_level_content_override ?? {}) as JsonObject,
      ...(body.name === undefined ? {} : { name: body.name }),
      ...(body.topic === undefined ? {} : { topic: body.topic }),
      ...(body.room_version ? { roomVersion: body.room_version } : {}),
      ...(body.room_alias_name === undefined ? {} : { alias: this.#alias(body.room_alias_name) }),
    });
    if (visibility === 'public') await this.directory.list(roomId);
    return { room_id: roomId };
  }

  #alias(localpart: string): string {
    const alias = `#${localpart}:${this.config.serverName}`;
    if (localpart === '' || localpart.includes(':') || !isRoomAlias(alias)) throw MatrixError.invalidParam('This is not a valid alias name');
    return alias;
  }
}
