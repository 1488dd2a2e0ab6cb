import { Controller, Get } from '@nestjs/common';
import { roomVersions } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { Config } from '../../config/config.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser } from '../../http/param.decorators.js';
import { MAX_DELAY_MS, MAX_WAITING } from '../../rooms/delayed/delayed-events.js';
import { VapidKeys } from '../../push/web-push/vapid-keys.js';
import { WEB_PUSH } from '../pushers/pushers.schema.js';

@Controller('/_matrix/client/v3/capabilities')
export class CapabilitiesController {
  constructor(
    private readonly config: Config,
    private readonly vapid: VapidKeys,
  ) {}

  @Get()
  @Auth('user-or-guest')
  capabilities(@CurrentUser() requester: Requester): object {
    const isMember = { enabled: !requester.isGuest };
    return {
      capabilities: {
        'm.room_versions': {
          default: this.config.defaultRoomVersion,
          available: Object.fromEntries(roomVersions.map(({ id, stable }) => [id, stable ? 'stable' : 'unstable'])),
        },
        'm.change_password': isMember,
        'm.set_displayname': { enabled: true },
        'm.set_avatar_url': { enabled: true },
        'm.profile_fields': { enabled: true },
        'm.3pid_changes': { enabled: false },
        'm.get_login_token': isMember,
        'm.delayed_events': { max_delay_ms: MAX_DELAY_MS, max_scheduled: MAX_WAITING },
        'm.invite_permission_config_enforced': { enabled: true },
        'org.matrix.msc4155.invite_permission_config_enforced': { enabled: true },
        ...(requester.isGuest ? {} : { [WEB_PUSH]: { enabled: true, vapid: this.vapid.of(requester.userId).publicKey } }),
        ...(requester.isAdmin ? { 'm.account_moderation': { suspend: true, lock: true } } : {}),
      },
    };
  }
}
