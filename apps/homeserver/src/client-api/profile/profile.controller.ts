import { Controller, Delete, Get, Param, Put } from '@nestjs/common';
import { isUserId, serverNameOf } from '#federation';
import { z } from 'zod';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { checkProfileField, checkProfileKey } from '../../accounts/profile-field.js';
import { type Profile, Profiles } from '../../accounts/profiles.js';
import { RemoteProfiles } from '../../accounts/remote-profiles.js';
import type { Requester } from '../../accounts/requester.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

const fieldSchema = z.record(z.string(), z.unknown());

@Controller('/_matrix/client/v3/profile/:userId')
export class ProfileController {
  constructor(
    private readonly profiles: Profiles,
    private readonly remote: RemoteProfiles,
    private readonly directory: AccountDirectory,
    private readonly config: Config,
  ) {}

  @Get()
  @Auth('none')
  @RateLimit('lookup')
  profile(@Param('userId') userId: string): Promise<Profile> {
    return this.#read(userId);
  }

  @Get(':keyName')
  @Auth('none')
  @RateLimit('lookup')
  async field(@Param('userId') userId: string, @Param('keyName') key: string): Promise<object> {
    const profile = await this.#read(userId, key);
    if (Object.hasOwn(profile, key)) return { [key]: profile[key] };
    // COMPAT(clients that take a missing name for an unknown user, as other servers give every user one)
    if (key === 'displayname' || key === 'avatar_url') return {};
    throw MatrixError.notFound('The profile has no such field');
  }

  @Put(':keyName')
  @Auth('user-or-guest', { suspended: 'refuse' })
  async set(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @Param('keyName') key: string,
    @JsonBody(fieldSchema) body: Record<string, unknown>,
  ): Promise<object> {
    mustBeOwn(requester, userId);
    checkProfileKey(key);
    if (!Object.hasOwn(body, key)) throw MatrixError.missingParam(`Missing ${key}`);
    const value = body[key];
    // Clients older than v1.16 clear a name or an avatar in these ways.
    const isCleared = (key === 'displayname' || key === 'avatar_url') && (value === null || value === '');
    if (!isCleared) checkProfileField(key, value);
    await this.profiles.set(userId, key, isCleared ? undefined : value);
    return {};
  }

  @Delete(':keyName')
  @Auth('user-or-guest', { suspended: 'refuse' })
  async delete(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @Param('keyName') key: string,
  ): Promise<object> {
    mustBeOwn(requester, userId);
    checkProfileKey(key);
    await this.profiles.set(userId, key, undefined);
    return {};
  }

  async #read(userId: string, field?: string): Promise<Profile> {
    if (!isUserId(userId, { historical: true })) throw MatrixError.invalidParam('This is no user id');
    if (this.directory.has(userId)) return this.profiles.get(userId);
    if (serverNameOf(userId) === this.config.serverName) throw MatrixError.notFound('No such user');
    return this.remote.get(userId, field);
  }
}

function mustBeOwn(requester: Requester, userId: string): void {
  if (requester.userId !== userId) throw MatrixError.forbidden('This is another account\'s profile');
}
