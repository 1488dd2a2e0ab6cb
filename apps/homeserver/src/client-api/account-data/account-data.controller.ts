import { Controller, Get, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { AccountData } from '../../account-data/account-data.js';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { RawJson } from '../../http/raw-json.js';
import { ownUser, validRoomId } from './own-user.js';

const contentSchema = z.looseObject({});

/** Client-api "client config". */
@Controller('/_matrix/client/v3/user/:userId')
export class AccountDataController {
  constructor(private readonly accountData: AccountData) {}

  @Put('account_data/:type')
  @Auth('user-or-guest')
  @RateLimit('account-data')
  async put(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @Param('type') type: string,
    @JsonBody(contentSchema) content: object,
  ): Promise<object> {
    await this.accountData.put(ownUser(requester, userId), '', type, content);
    return {};
  }

  @Get('account_data/:type')
  @Auth('user-or-guest')
  async get(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @Param('type') type: string,
  ): Promise<RawJson> {
    return found(await this.accountData.get(ownUser(requester, userId), '', type));
  }

  @Put('rooms/:roomId/account_data/:type')
  @Auth('user-or-guest')
  @RateLimit('account-data')
  async putOfRoom(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @Param('roomId') roomId: string,
    @Param('type') type: string,
    @JsonBody(contentSchema) content: object,
  ): Promise<object> {
    await this.accountData.put(ownUser(requester, userId), validRoomId(roomId), type, content);
    return {};
  }

  @Get('rooms/:roomId/account_data/:type')
  @Auth('user-or-guest')
  async getOfRoom(
    @CurrentUser() requester: Requester,
    @Param('userId') userId: string,
    @Param('roomId') roomId: string,
    @Param('type') type: string,
  ): Promise<RawJson> {
    return found(await this.accountData.get(ownUser(requester, userId), validRoomId(roomId), type));
  }
}

function found(json: string | undefined): RawJson {
  if (json === undefined) throw MatrixError.notFound('Account data not found');
  return new RawJson(json);
}
