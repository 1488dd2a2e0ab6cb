import { Controller, Delete, Get, Param, Put } from '@nestjs/common';
import { isRoomAlias, isRoomId, serverNameOf, powerLevelsOf } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { AliasesStore } from '../../rooms/directory/aliases.store.js';
import { CanonicalAliases } from '../../rooms/directory/canonical-aliases.js';
import { RoomAddresses } from '../../rooms/membership/room-address.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { RoomAccess } from '../../rooms/timeline/room-access.js';
import { aliasSchema } from './room.schemas.js';

/** client-server/directory.yaml */
@Controller('/_matrix/client/v3')
export class AliasesController {
  constructor(
    private readonly config: Config,
    private readonly aliases: AliasesStore,
    private readonly addresses: RoomAddresses,
    private readonly registry: RoomRegistry,
    private readonly access: RoomAccess,
    private readonly canonical: CanonicalAliases,
  ) {}

  @Get('directory/room/:roomAlias')
  @Auth('none')
  async resolve(@Param('roomAlias') alias: string): Promise<object> {
    const { roomId, servers } = await this.addresses.ofAlias(alias);
    return { room_id: roomId, servers };
  }

  @Put('directory/room/:roomAlias')
  @Auth('user', { suspended: 'refuse' })
  async add(@CurrentUser() requester: Requester, @Param('roomAlias') alias: string, @JsonBody(aliasSchema) body: { room_id: string }): Promise<object> {
    this.#assertOwn(alias);
    const room = await this.registry.get(body.room_id);
    if (!room.state.joined.has(requester.userId)) throw MatrixError.forbidden('You are not in this room');
    if (await this.aliases.find(alias)) throw new MatrixError(409, 'M_UNKNOWN', 'This alias is taken');
    await this.aliases.add(alias, room.nid, requester.userId);
    return {};
  }

  @Delete('directory/room/:roomAlias')
  @Auth('user')
  async remove(@CurrentUser() requester: Requester, @Param('roomAlias') alias: string): Promise<object> {
    this.#assertOwn(alias);
    const row = await this.aliases.find(alias);
    if (!row) throw MatrixError.notFound(`There is no room ${alias}`);
    const room = await this.registry.find(row.roomId);
    const levels = room && powerLevelsOf(room.state, room.rules);
    const mayRemove = row.creator === requester.userId || requester.isAdmin ||
      (levels !== undefined && levels.user(requester.userId) >= levels.event('m.room.canonical_alias', true));
    if (!mayRemove) throw MatrixError.forbidden('You may remove only aliases that you made');
    await this.aliases.remove(alias);
    await this.canonical.forget(row.roomId, alias, requester.userId);
    return {};
  }

  @Get('rooms/:roomId/aliases')
  @Auth('user-or-guest')
  async ofRoom(@CurrentUser() requester: Requester, @Param('roomId') roomId: string): Promise<object> {
    if (!isRoomId(roomId)) throw MatrixError.invalidParam('This is not a room id');
    await this.access.visibleState(requester.userId, roomId);
    return { aliases: await this.aliases.ofRoom(roomId) };
  }

  #assertOwn(alias: string): void {
    if (!isRoomAlias(alias)) throw MatrixError.invalidParam('This is not a valid alias');
    if (serverNameOf(alias) !== this.config.serverName) throw MatrixError.invalidParam('This alias belongs to another server');
  }
}
