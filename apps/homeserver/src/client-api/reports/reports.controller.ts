import { Controller, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { optionalText, text } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { Reports } from '../../moderation/reports.js';

const MAX_REASON = 4_096;
const eventSchema = z.object({ reason: optionalText(MAX_REASON), score: z.int().min(-100).max(0).nullish() });
const reasonSchema = z.object({ reason: text(MAX_REASON) });
type Reason = z.output<typeof reasonSchema>;

/** client-server/report_content.yaml */
@Controller('/_matrix/client/v3')
export class ReportsController {
  constructor(private readonly reports: Reports) {}

  @Post('rooms/:roomId/report/:eventId')
  @Auth('user')
  @RateLimit('report')
  async event(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('eventId') eventId: string, @JsonBody(eventSchema) body: z.output<typeof eventSchema>,
  ): Promise<object> {
    await this.reports.ofEvent(requester.userId, roomId, eventId, { reason: body.reason, score: body.score ?? undefined });
    return {};
  }

  @Post('rooms/:roomId/report')
  @Auth('user')
  @RateLimit('report')
  async room(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @JsonBody(reasonSchema) body: Reason): Promise<object> {
    await this.reports.ofRoom(requester.userId, roomId, body);
    return {};
  }

  @Post('users/:userId/report')
  @Auth('user')
  @RateLimit('report')
  async user(@CurrentUser() requester: Requester, @Param('userId') userId: string, @JsonBody(reasonSchema) body: Reason): Promise<object> {
    await this.reports.ofUser(requester.userId, userId, body);
    return {};
  }
}
