import { Controller, Delete, Get, Param } from '@nestjs/common';
import { z } from 'zod';
import { MatrixError } from '../errors/matrix-error.js';
import { Auth } from '../http/auth.decorator.js';
import { QueryParams } from '../http/param.decorators.js';
import { queryNumber } from '../http/query-schemas.js';
import type { Report, ReportKind } from '../moderation/report.entity.js';
import { Reports } from '../moderation/reports.js';

const KINDS: Readonly<Record<string, ReportKind>> = { event_reports: 'event', room_reports: 'room', user_reports: 'user' };

const querySchema = z.object({
  from: queryNumber(Number.MAX_SAFE_INTEGER).default(0),
  limit: queryNumber(1_000).default(100),
  dir: z.enum(['f', 'b']).default('b'),
  user_id: z.string().max(255).optional(),
  room_id: z.string().max(255).optional(),
});

/** What people have reported, for administrators; paths and bodies of events as in Synapse, rooms and users alike. */
@Controller('/_synapse/admin/v1/:kind(event_reports|room_reports|user_reports)')
export class ReportsAdminController {
  constructor(private readonly reports: Reports) {}

  @Get()
  @Auth('user', { admin: true })
  async list(@Param('kind') kind: string, @QueryParams(querySchema) query: z.output<typeof querySchema>): Promise<object> {
    const { from, limit, dir } = query;
    const where = { ...(query.user_id === undefined ? {} : { reporter: query.user_id }), ...(query.room_id === undefined ? {} : { roomId: query.room_id }) };
    const { reports, total } = await this.reports.page(KINDS[kind]!, { from, limit, oldestFirst: dir === 'f', where });
    const next = from + reports.length;
    return { [kind]: reports.map(toBody), total, ...(next < total ? { next_token: next } : {}) };
  }

  @Get(':id')
  @Auth('user', { admin: true })
  async get(@Param('kind') kind: string, @Param('id') id: string): Promise<object> {
    const found = /^\d{1,15}$/.test(id) ? await this.reports.get(KINDS[kind]!, Number(id)) : undefined;
    if (!found) throw MatrixError.notFound('No such report');
    return toBody(found);
  }

  @Delete(':id')
  @Auth('user', { admin: true })
  async delete(@Param('kind') kind: string, @Param('id') id: string): Promise<object> {
    if (!/^\d{1,15}$/.test(id) || !(await this.reports.delete(KINDS[kind]!, Number(id)))) throw MatrixError.notFound('No such report');
    return {};
  }
}

function toBody({ id, reporter, roomId, eventId, about, reason, score, receivedTs }: Report): object {
  return { id, received_ts: receivedTs, room_id: roomId, event_id: eventId, user_id: reporter, sender: about, reason, score };
}
