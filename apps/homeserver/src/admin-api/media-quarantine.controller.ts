import { Controller, Get, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { isUserId } from '#federation';
import type { Requester } from '../accounts/requester.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Auth } from '../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../http/param.decorators.js';
import { mediaAddress } from '../media/media-address.js';
import { MediaQuarantine } from '../media/quarantine/media-quarantine.js';
import { RoomMedia } from '../moderation/room-media.js';

/** The requests say all by their paths. */
const nothing = z.looseObject({});

/** Media that nobody is to get any more, for administrators; paths and answers as in Synapse. */
@Controller('/_synapse/admin/v1')
export class MediaQuarantineController {
  constructor(
    private readonly config: Config,
    private readonly quarantine: MediaQuarantine,
    private readonly rooms: RoomMedia,
  ) {}

  @Get('room/:roomId/media')
  @Auth('user', { admin: true })
  async ofRoom(@Param('roomId') roomId: string): Promise<object> {
    const media = [...(await this.rooms.of(roomId))];
    const isLocal = ([, { serverName }]: (typeof media)[number]): boolean => serverName === this.config.serverName;
    return { local: media.filter(isLocal).map(([uri]) => uri), remote: media.filter((one) => !isLocal(one)).map(([uri]) => uri) };
  }

  /** COMPAT(Synapse): its path of old, too. */
  @Post(['room/:roomId/media/quarantine', 'quarantine_media/:roomId'])
  @Auth('user', { admin: true })
  async room(@CurrentUser() { userId }: Requester, @Param('roomId') roomId: string, @JsonBody(nothing) _body: object): Promise<object> {
    return { num_quarantined: await this.quarantine.add([...(await this.rooms.of(roomId)).values()], userId) };
  }

  @Post('user/:userId/media/quarantine')
  @Auth('user', { admin: true })
  async user(@CurrentUser() requester: Requester, @Param('userId') userId: string, @JsonBody(nothing) _body: object): Promise<object> {
    if (!isUserId(userId, { historical: true })) throw MatrixError.invalidParam('This is no user id');
    return { num_quarantined: await this.quarantine.add(await this.quarantine.uploadedBy(userId), requester.userId) };
  }

  @Post('media/quarantine/:serverName/:mediaId')
  @Auth('user', { admin: true })
  async one(@CurrentUser() { userId }: Requester, @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @JsonBody(nothing) _body: object): Promise<object> {
    await this.quarantine.add([mediaAddress(serverName, mediaId)], userId);
    return {};
  }

  @Post('media/unquarantine/:serverName/:mediaId')
  @Auth('user', { admin: true })
  async release(@Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @JsonBody(nothing) _body: object): Promise<object> {
    await this.quarantine.remove(mediaAddress(serverName, mediaId));
    return {};
  }
}
