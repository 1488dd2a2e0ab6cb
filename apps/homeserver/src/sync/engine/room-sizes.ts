import { Injectable } from '@nestjs/common';
import { placed } from '../../rooms/state/state-entry.js';
import { SyncEvents } from '../rooms/sync-events.js';
import type { RoomWithTimeline, SelectedState } from './room-states.js';

/** Measures what is chosen for an answer before it is read. */
@Injectable()
export class RoomSizes {
  constructor(private readonly events: SyncEvents) {}

  /** Bytes of the events of each room; state that has no place is left out of `states`. One read at most. */
  async fit(rooms: readonly RoomWithTimeline[], states: Map<number, SelectedState>): Promise<number[]> {
    const sizeOf = await this.events.sizes([...states.values()].flatMap(({ nids }) => nids));
    return rooms.map(({ plan: { room: { roomNid } }, timeline }) => {
      const state = states.get(roomNid);
      const nids = !state || state.nids.length === 0 ? [] : placed(state.nids, sizeOf);
      if (state && nids.length !== state.nids.length) states.set(roomNid, { ...state, nids });
      return timeline.entries.reduce((sum, { event }) => sum + event.json.length, 0) + nids.reduce((sum, nid) => sum + sizeOf(nid), 0);
    });
  }
}
