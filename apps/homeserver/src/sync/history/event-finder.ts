import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { type EventView, EventViews } from './event-views.js';
import { type RoomReader, RoomReaders } from './room-readers.js';

/** Finds single events for who may see them; all others learn nothing of them. */
@Injectable()
export class EventFinder {
  constructor(
    private readonly readers: RoomReaders,
    private readonly views: EventViews,
    private readonly stored: EventsStore,
  ) {}

  /** Somebody who may not look into the room learns nothing of its events either. @throws 404 `M_NOT_FOUND` */
  async reader(userId: string, roomId: string): Promise<RoomReader> {
    try {
      return await this.readers.of(userId, roomId);
    } catch (error) {
      if (error instanceof MatrixError && error.status === 403) throw notForYou();
      throw error;
    }
  }

  /** @throws 404 `M_NOT_FOUND` */
  async visible(reader: RoomReader, eventId: string): Promise<EventView> {
    const stored = await this.stored.byId(reader.room.id, eventId);
    if (stored && stored.pos !== null && stored.pos <= reader.upTo) {
      const [view] = await this.views.of(reader, [{ nid: stored.nid, pos: stored.pos, stateNid: stored.stateNid }]);
      if (view?.isVisible) return view;
    }
    throw notForYou();
  }
}

function notForYou(): MatrixError {
  return MatrixError.notFound('No such event, or not one for you');
}
