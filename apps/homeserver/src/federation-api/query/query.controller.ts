import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { isRoomAlias, isUserId, serverNameOf } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Profiles, type Profile } from '../../accounts/profiles.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { RoomAliasLookup } from '../../federation/room-alias-lookup.js';
import { Auth } from '../../http/auth.decorator.js';
import { QueryParams } from '../../http/param.decorators.js';

const ProfileQuery = z.object({
  user_id: z.string().refine((id) => isUserId(id, { historical: true }), 'is no user id'),
  field: z.string().max(255).optional(),
});
const DirectoryQuery = z.object({ room_alias: z.string().refine((alias) => isRoomAlias(alias), 'is no room alias') });

/** `GET /query/…` (server-server API, §Querying for information). Other kinds of queries do not exist: 404 M_UNRECOGNIZED. */
@Controller('/_matrix/federation/v1/query')
export class QueryController {
  constructor(
    private readonly accounts: AccountDirectory,
    private readonly profiles: Profiles,
    private readonly aliases: RoomAliasLookup,
    private readonly config: Config,
  ) {}

  @Get('/profile')
  @Auth('server')
  async profile(@QueryParams(ProfileQuery) query: z.output<typeof ProfileQuery>): Promise<Profile> {
    const { user_id: userId, field } = query;
    if (!this.accounts.has(userId)) throw MatrixError.notFound('No such user on this server');
    const profile = await this.profiles.get(userId);
    if (field === undefined) return profile;
    if (!Object.hasOwn(profile, field)) throw MatrixError.notFound('The profile has no such field');
    return { [field]: profile[field] };
  }

  @Get('/directory')
  @Auth('server')
  async directory(
    @QueryParams(DirectoryQuery) query: z.output<typeof DirectoryQuery>,
  ): Promise<{ room_id: string; servers: readonly string[] }> {
    const alias = query.room_alias;
    const found = serverNameOf(alias) === this.config.serverName ? await this.aliases.find(alias) : undefined;
    if (!found) throw MatrixError.notFound('Room alias not found');
    return { room_id: found.roomId, servers: found.servers };
  }
}
