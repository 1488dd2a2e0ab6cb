import { Controller, Get, Post } from '@nestjs/common';
import type { DirectoryPage } from '../../directory/directory-page.js';
import { type DirectoryBody, directoryBody, type DirectoryQuery, directoryQuery, wishOf } from '../../directory/directory-query.js';
import { RoomDirectory } from '../../directory/room-directory.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, QueryParams } from '../../http/param.decorators.js';

/** server-server/public_rooms.yaml */
@Controller('/_matrix/federation/v1/publicRooms')
export class FederationPublicRoomsController {
  constructor(private readonly directory: RoomDirectory) {}

  @Get()
  @Auth('server')
  list(@QueryParams(directoryQuery) query: DirectoryQuery): Promise<DirectoryPage> {
    return this.directory.page(wishOf(query));
  }

  @Post()
  @Auth('server')
  search(@JsonBody(directoryBody) body: DirectoryBody): Promise<DirectoryPage> {
    return this.directory.page(wishOf(body, body.filter));
  }
}
