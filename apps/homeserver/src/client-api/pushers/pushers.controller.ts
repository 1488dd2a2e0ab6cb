import { Controller, Get, Post } from '@nestjs/common';
import { parseStoredJson } from '#json';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { validate } from '../../http/validate.js';
import { Clock } from '../../observability/clock.js';
import { PushAddresses } from '../../push/pushers/push-address.js';
import type { Pusher } from '../../push/pushers/pusher.entity.js';
import { Pushers } from '../../push/pushers/pushers.js';
import { dataText, pusherDetails, pusherKind, pusherSchema } from './pushers.schema.js';
import type { z } from 'zod';

/** client-server/pusher.yaml */
@Controller('/_matrix/client/v3/pushers')
export class PushersController {
  constructor(
    private readonly pushers: Pushers,
    private readonly addresses: PushAddresses,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Auth('user')
  async all(@CurrentUser() requester: Requester): Promise<object> {
    return { pushers: (await this.pushers.ofUser(requester.userId)).map(shown) };
  }

  @Post('set')
  @Auth('user')
  @RateLimit('account-data')
  async set(@CurrentUser() { userId, deviceId }: Requester, @JsonBody(pusherSchema) body: z.output<typeof pusherSchema>): Promise<object> {
    const { app_id: appId, pushkey, append = false } = body;
    if (body.kind === null) {
      if (await this.pushers.get(userId, { appId, pushkey })) await this.pushers.remove(userId, [{ appId, pushkey }]);
      return {};
    }
    const kind = pusherKind(body.kind);
    const details = validate(pusherDetails, body, 'M_BAD_JSON');
    this.addresses.gateway(details.data['url']);
    await this.pushers.set(userId, {
      appId, pushkey, kind, deviceId, appDisplayName: details.app_display_name, deviceDisplayName: details.device_display_name,
      profileTag: details.profile_tag ?? '', lang: details.lang, data: dataText(details.data), setTs: this.clock.now(), vapidKey: null, isActive: true,
    }, append);
    return {};
  }
}

function shown(pusher: Pusher): object {
  return {
    app_display_name: pusher.appDisplayName,
    app_id: pusher.appId,
    data: parseStoredJson(pusher.data),
    device_display_name: pusher.deviceDisplayName,
    kind: pusher.kind,
    lang: pusher.lang,
    profile_tag: pusher.profileTag,
    pushkey: pusher.pushkey,
  };
}
