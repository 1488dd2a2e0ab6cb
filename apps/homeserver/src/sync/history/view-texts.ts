import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import type { Requester } from '../../accounts/requester.js';
import { Clock } from '../../observability/clock.js';
import { type EventContext, writeEvent } from '../engine/event-writer.js';
import { Aggregations } from '../relations/aggregations.js';
import type { Sight } from '../relations/sight.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import type { EventView } from './event-views.js';
import { type RoomReader, RoomReaders } from './room-readers.js';

/** Events of one room that are about to be shown. */
export interface ShownViews {
  readonly reader: RoomReader;
  readonly views: readonly EventView[];
}

/** What writes the events of an answer. */
export interface ViewWriter {
  view(view: EventView, roomId: string): string;
  /** State beside the events. */
  state(event: SyncEvent, roomId: string): string;
}

/** Writes events of rooms' past, with what relates to them. */
@Injectable()
export class ViewTexts {
  constructor(
    private readonly readers: RoomReaders,
    private readonly aggregations: Aggregations,
    private readonly accountData: AccountData,
    private readonly clock: Clock,
  ) {}

  /** @param shown all events of the answer beside which something may be told */
  async for({ userId, deviceId }: Requester, shown: readonly ShownViews[]): Promise<ViewWriter> {
    const context: EventContext = { now: this.clock.now(), userId, deviceId, fields: null, isFederationFormat: false, withRoomId: true };
    const sights = new Map<RoomReader, Promise<Sight>>();
    const sightOf = (reader: RoomReader): Promise<Sight> => sights.get(reader) ?? sights.set(reader, this.readers.sight(reader)).get(reader)!;
    const relations = await this.aggregations.of(context, await this.accountData.ignored(userId), shown.map(({ reader, views }) => ({
      roomId: reader.room.id, roomNid: reader.room.nid, events: views.map(({ event }) => event), sight: () => sightOf(reader),
    })));
    return {
      view: ({ event, membership, replaced }, roomId) =>
        writeEvent(event, roomId, context, { membership, ...(replaced ? { replaced } : {}), relations: relations.get(event.nid) }),
      state: (event, roomId) => writeEvent(event, roomId, context),
    };
  }
}
