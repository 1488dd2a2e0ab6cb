import { Controller, Param, Post } from '@nestjs/common';
import { isEventId } from '#federation';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { ReadMarkers } from '../../ephemeral/read-markers.js';
import { Receipts } from '../../ephemeral/receipts.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';

const eventId = z.string().max(255).refine((id) => isEventId(id), 'must be an event id').optional();
const bodySchema = z.looseObject({ 'm.fully_read': eventId, 'm.read': eventId, 'm.read.private': eventId });

@Controller('/_matrix/client/v3/rooms/:roomId/read_markers')
export class ReadMarkersController {
  constructor(
    private readonly receipts: Receipts,
    private readonly readMarkers: ReadMarkers,
  ) {}

  @Post()
  @Auth('user-or-guest')
  async set(
    @CurrentUser() { userId }: Requester,
    @Param('roomId') roomId: string,
    @JsonBody(bodySchema) body: z.output<typeof bodySchema>,
  ): Promise<object> {
    const fullyRead = body['m.fully_read'];
    if (fullyRead !== undefined) await this.readMarkers.setFullyRead(roomId, userId, fullyRead);
    for (const type of ['m.read', 'm.read.private'] as const) {
      const read = body[type];
      if (read !== undefined) await this.receipts.set(roomId, userId, type, read, '');
    }
    return {};
  }
}
