import { Controller, Get, HttpStatus, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { parseStoredJson } from '#json';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { validate } from '../../http/validate.js';
import { PusherConfirmations } from '../../notifications/pusher-confirmations.js';
import { Clock } from '../../observability/clock.js';
import { PushAddresses } from '../../push/pushers/push-address.js';
import type { Pusher } from '../../push/pushers/pusher.entity.js';
import { Pushers } from '../../push/pushers/pushers.js';
import { VapidKeys } from '../../push/web-push/vapid-keys.js';
import { ackSchema, checkWebPush, dataText, pusherDetails, pusherKind, pusherSchema, WEB_PUSH } from './pushers.schema.js';

/** client-server/pusher.yaml, MSC4174 */
@Controller()
export class PushersController {
  constructor(
    private readonly pushers: Pushers,
    private readonly confirmations: PusherConfirmations,
    private readonly addresses: PushAddresses,
    private readonly vapid: VapidKeys,
    private readonly clock: Clock,
  ) {}

  @Get('/_matrix/client/v3/pushers')
  @Auth('user')
  async all(@CurrentUser() requester: Requester): Promise<object> {
    return { pushers: (await this.pushers.ofUser(requester.userId)).map(shown) };
  }

  @Post('/_matrix/client/v3/pushers/set')
  @Auth('user')
  @RateLimit('account-data')
  async set(
    @CurrentUser() { userId, deviceId }: Requester, @JsonBody(pusherSchema) body: z.output<typeof pusherSchema>, @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const { app_id: appId, pushkey, append = false } = body;
    if (body.kind === null) {
      if (await this.pushers.get(userId, { appId, pushkey })) await this.pushers.remove(userId, [{ appId, pushkey }]);
      return {};
    }
    const kind = pusherKind(body.kind);
    const details = validate(pusherDetails, body, 'M_BAD_JSON');
    const pusher = {
      appId, pushkey, kind, deviceId, appDisplayName: details.app_display_name, deviceDisplayName: details.device_display_name,
      profileTag: details.profile_tag ?? '', lang: details.lang, data: dataText(details.data), setTs: this.clock.now(), vapidKey: null, isActive: true,
    };
    if (kind === 'http') {
      this.addresses.gateway(details.data['url']);
      await this.pushers.set(userId, pusher, append);
      return {};
    }
    this.addresses.pushService(details.data['url'] ?? details.data['endpoint']);
    checkWebPush(pushkey, details.data['auth']);
    // Whoever made the subscription asked this server for its key.
    if (await this.confirmations.set(userId, { ...pusher, vapidKey: this.vapid.of(userId).privateKey }, append)) reply.status(HttpStatus.CREATED);
    return {};
  }

  @Post(['/_matrix/client/v3/pushers/ack', '/_matrix/client/unstable/org.matrix.msc4174/pushers/ack'])
  @Auth('user')
  @RateLimit('account-data')
  async confirm(@CurrentUser() { userId }: Requester, @JsonBody(ackSchema) body: z.output<typeof ackSchema>): Promise<object> {
    await this.confirmations.confirm(userId, body.app_id, body.ack_token);
    return {};
  }
}

function shown(pusher: Pusher): object {
  const isWebPush = pusher.kind === 'webpush';
  return {
    app_display_name: pusher.appDisplayName,
    app_id: pusher.appId,
    data: { ...(parseStoredJson(pusher.data) as object), ...(isWebPush ? { activated: pusher.isActive } : {}) },
    device_display_name: pusher.deviceDisplayName,
    kind: isWebPush ? WEB_PUSH : pusher.kind,
    lang: pusher.lang,
    profile_tag: pusher.profileTag,
    pushkey: pusher.pushkey,
  };
}
