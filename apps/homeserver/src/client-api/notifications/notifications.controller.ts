import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { queryNumber } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { RawJson } from '../../http/raw-json.js';
import { NotificationHistory } from '../../sync/unread/notification-history.js';

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

const query = z.object({
  from: z.string().regex(/^-?\d{1,16}$/, 'is no token of this server').transform(Number).optional(),
  limit: queryNumber(MAX_LIMIT).optional(),
  only: z.string().max(255).optional(),
});

/** client-server/notifications.yaml */
@Controller('/_matrix/client/v3/notifications')
export class NotificationsController {
  constructor(private readonly history: NotificationHistory) {}

  @Get()
  @Auth('user')
  @RateLimit('lookup')
  async page(@CurrentUser() { userId, deviceId }: Requester, @QueryParams(query) { from, limit, only }: z.output<typeof query>): Promise<RawJson> {
    const { notifications, next } = await this.history.page({
      userId, deviceId, from, limit: Math.max(1, limit ?? DEFAULT_LIMIT), onlyHighlights: only === 'highlight',
    });
    const end = next === undefined ? '' : `,"next_token":"${next}"`;
    return new RawJson(`{"notifications":[${notifications.join(',')}]${end}}`);
  }
}
