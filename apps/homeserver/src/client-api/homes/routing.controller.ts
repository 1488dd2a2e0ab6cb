import { Controller, Get, Param, Post } from '@nestjs/common';
import type { Requester } from '../../accounts/requester.js';
import { ToDeviceInbox } from '../../device-keys/to-device/to-device-inbox.js';
import { LoginNonces } from '../../homes/login/login-nonces.js';
import { RoomNames } from '../../homes/routing/room-names.js';
import { RoomReach } from '../../homes/routing/room-reach.js';
import { SyncResume } from '../../homes/resume/sync-resume.js';
import { Auth } from '../../http/auth.decorator.js';
import { BodyOptions } from '../../http/body-options.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { type ReachQuery, reachSchema, type ResumeBody, resumeSchema } from './homes.schema.js';

/** What a client needs to choose between homes and to move between them (docs/protocol.md, §5). */
@Controller('/_matrix/client/unstable/io.partyline')
export class RoutingController {
  constructor(
    private readonly nonces: LoginNonces,
    private readonly syncResume: SyncResume,
    private readonly roomReach: RoomReach,
    private readonly toDevice: ToDeviceInbox,
    private readonly roomNames: RoomNames,
  ) {}

  @Get('login/nonce')
  @Auth('none')
  @RateLimit('nonce')
  nonce(): object {
    const { nonce, expiresInMs } = this.nonces.issue();
    return { nonce, expires_in_ms: expiresInMs };
  }

  @Post('sync/resume')
  @Auth('user-or-guest')
  @RateLimit('resume')
  @BodyOptions({ limit: 8 * 1024 * 1024 })
  async resume(@CurrentUser() requester: Requester, @JsonBody(resumeSchema) body: ResumeBody): Promise<object> {
    if (requester.deviceId !== null) await this.toDevice.received(requester.userId, requester.deviceId, body.to_device);
    return this.syncResume.resume(requester.userId, requester.deviceId ?? '', { rooms: new Map(Object.entries(body.rooms)), account: body.account });
  }

  /** Whose names in a portable room are not proven. */
  @Get('rooms/:roomId/names')
  @Auth('user-or-guest')
  @RateLimit('lookup')
  names(@CurrentUser() requester: Requester, @Param('roomId') roomId: string): Promise<object> {
    return this.roomNames.of(requester.userId, roomId);
  }

  @Get('rooms/:roomId/reach')
  @Auth('user-or-guest')
  @RateLimit('homes')
  reach(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(reachSchema) query: ReachQuery): Promise<object> {
    return this.roomReach.of(requester.userId, roomId, query.event_id);
  }
}
