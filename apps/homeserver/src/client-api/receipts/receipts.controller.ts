import { Controller, Param, Post } from '@nestjs/common';
import { isEventId } from '#federation';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { OwnPresence } from '../../ephemeral/presence/own-presence.js';
import { ReadMarkers } from '../../ephemeral/read-markers.js';
import { Receipts } from '../../ephemeral/receipts.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';

const bodySchema = z.looseObject({ thread_id: z.unknown().optional() });

@Controller('/_matrix/client/v3/rooms/:roomId/receipt/:receiptType/:eventId')
export class ReceiptsController {
  constructor(
    private readonly receipts: Receipts,
    private readonly readMarkers: ReadMarkers,
    private readonly presence: OwnPresence,
  ) {}

  @Post()
  @Auth('user-or-guest')
  async set(
    @CurrentUser() { userId }: Requester,
    @Param('roomId') roomId: string,
    @Param('receiptType') type: string,
    @Param('eventId') eventId: string,
    @JsonBody(bodySchema) body: z.output<typeof bodySchema>,
  ): Promise<object> {
    if (!isEventId(eventId)) throw MatrixError.invalidParam('This is no event id');
    const threadId = readThreadId(body.thread_id ?? undefined);
    this.presence.active(userId);
    switch (type) {
      case 'm.read':
      case 'm.read.private':
        await this.receipts.set(roomId, userId, type, eventId, threadId ?? '');
        return {};
      case 'm.fully_read':
        if (threadId !== undefined) throw MatrixError.invalidParam('m.fully_read knows no threads');
        await this.readMarkers.setFullyRead(roomId, userId, eventId);
        return {};
      default:
        throw MatrixError.invalidParam('Receipts are of type m.read, m.read.private or m.fully_read');
    }
  }
}

/** @throws MatrixError 400 M_INVALID_PARAM for anything but `main` or an event id */
function readThreadId(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value === 'main' || isEventId(value)) return value as string;
  throw MatrixError.invalidParam('thread_id must be "main" or the event id of a thread root');
}
