import { Injectable } from '@nestjs/common';
import { homeIn, readPdu, recordOf, type HomeRecord } from '#federation';
import { parseStoredJson } from '#json';
import { membershipOf } from '../../rooms/state/room-state.js';
import { SnapshotsStore } from '../../rooms/state/snapshots.store.js';
import { splitStateKey } from '../../rooms/state/state-key.js';
import { StateResolver } from '../../rooms/state/state-resolver.js';
import type { Room } from '../../rooms/room.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Who was in a room when events were made that wait for a server: it may be out of the room since, and they are for it all the same. */
@Injectable()
export class PastMembers {
  /** By state and server: the events of a queue mostly share their state. */
  readonly #known = boundedCache<string, readonly HomeRecord[]>(500);

  constructor(
    private readonly events: EventsStore,
    private readonly snapshots: SnapshotsStore,
    private readonly resolver: StateResolver,
  ) {}

  /**
   * Records, as the room knew them before each of these own events, of joined members at a home.
   *
   * @param pdus canonical JSON of events of the room
   * @returns records by PDU; none for one that is not stored here
   */
  async naming(room: Room, pdus: readonly string[], server: string): Promise<Map<string, readonly HomeRecord[]>> {
    const ids = new Map(pdus.map((json) => [readPdu(parseStoredJson(json), room.rules).eventId, json]));
    const found = new Map<string, readonly HomeRecord[]>();
    for (const { event, stateNid } of await this.events.byIds(room.id, [...ids.keys()])) {
      if (stateNid !== null) found.set(ids.get(event.eventId)!, await this.#inState(room, stateNid, server));
    }
    return found;
  }

  async #inState(room: Room, stateNid: number, server: string): Promise<readonly HomeRecord[]> {
    const cacheKey = `${stateNid} ${server}`;
    let records = this.#known.get(cacheKey);
    if (!records) {
      const members = [...(await this.snapshots.load(stateNid)).toMap()].filter(([key]) => splitStateKey(key)[0] === 'm.room.member').map(([, nid]) => nid);
      const entries = await this.resolver.entries(room, members, new Map());
      records = [...entries.values()]
        .flatMap(({ event }) => (membershipOf(event) === 'join' ? (recordOf(event) ?? []) : []))
        .filter((record) => homeIn(record, server)?.accepted !== undefined);
      this.#known.set(cacheKey, records);
    }
    return records;
  }
}
