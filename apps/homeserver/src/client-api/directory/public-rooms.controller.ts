import { Controller, Get, Param, Post, Put } from '@nestjs/common';
import { z } from 'zod';
import { isServerName } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { Config } from '../../config/config.js';
import type { DirectoryPage, DirectoryWish } from '../../directory/directory-page.js';
import { type DirectoryBody, directoryBody, type DirectoryQuery, directoryQuery, wishOf } from '../../directory/directory-query.js';
import { RemoteDirectory } from '../../directory/remote-directory.js';
import { RoomDirectory } from '../../directory/room-directory.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

const visibilitySchema = z.object({ visibility: z.enum(['public', 'private']).default('public') });

/** client-server/list_public_rooms.yaml */
@Controller('/_matrix/client/v3')
export class PublicRoomsController {
  constructor(
    private readonly config: Config,
    private readonly directory: RoomDirectory,
    private readonly remote: RemoteDirectory,
  ) {}

  @Get('publicRooms')
  @Auth('optional')
  @RateLimit('lookup')
  list(@CurrentUser() requester: Requester | null, @QueryParams(directoryQuery) query: DirectoryQuery): Promise<DirectoryPage> {
    return this.#page(requester, query.server, wishOf(query));
  }

  @Post('publicRooms')
  @Auth('user-or-guest')
  @RateLimit('lookup')
  async search(@CurrentUser() requester: Requester, @QueryParams(directoryQuery) query: DirectoryQuery, @JsonBody(directoryBody) body: DirectoryBody): Promise<DirectoryPage> {
    // Rooms of other networks are those of bridges, of which there are none.
    if (body.third_party_instance_id) return { chunk: [], total_room_count_estimate: 0 };
    return this.#page(requester, query.server, wishOf(body, body.filter));
  }

  @Get('directory/list/room/:roomId')
  @Auth('none')
  async visibility(@Param('roomId') roomId: string): Promise<object> {
    return { visibility: (await this.directory.isListed(roomId)) ? 'public' : 'private' };
  }

  @Put('directory/list/room/:roomId')
  @Auth('user', { suspended: 'refuse' })
  async setVisibility(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @JsonBody(visibilitySchema) body: z.output<typeof visibilitySchema>,
  ): Promise<object> {
    await this.directory.set(requester, roomId, body.visibility === 'public');
    return {};
  }

  async #page(requester: Requester | null, server: string | undefined, wish: DirectoryWish): Promise<DirectoryPage> {
    if (server === undefined || server === '' || server === this.config.serverName) return this.directory.page(wish);
    if (!isServerName(server)) throw MatrixError.invalidParam('server is no server name');
    // Nobody has this server ask others without an account.
    if (!requester) throw new MatrixError(401, 'M_MISSING_TOKEN', 'Rooms of other servers are shown to those who have an account');
    return this.remote.page(server, wish);
  }
}
