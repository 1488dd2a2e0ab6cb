import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import { EventsStore } from '../timeline/events.store.js';
import type { StateEntry } from './state-entry.js';

/** Events that are read at once. */
const AT_ONCE = 200;

/** State events as they are stored, where of the large ones only a part is in memory. */
@Injectable()
export class WholeState {
  constructor(private readonly events: EventsStore) {}

  /** The events of these entries, in their order. No query where all are in memory. */
  async of(entries: readonly StateEntry[]): Promise<RoomEvent[]> {
    const parts = entries.filter(({ whole }) => whole !== undefined).map(({ nid }) => nid);
    const read = new Map<number, RoomEvent>();
    for (let at = 0; at < parts.length; at += AT_ONCE) {
      for (const { nid, event } of await this.events.byNids(parts.slice(at, at + AT_ONCE))) read.set(nid, event);
    }
    return entries.map(({ nid, event }) => read.get(nid) ?? event);
  }
}
