import { Injectable } from '@nestjs/common';
import { type JsonValue, referencedIds } from '#federation';
import { parseStoredJson } from '#json';
import { Config } from '../../config/config.js';
import { RoomWindows } from '../rooms/room-windows.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { BEGINNING } from './unread-tally.js';
import { UnreadStore } from './unread.store.js';

/** Since when readers are in rooms, by the timelines here. */
@Injectable()
export class ReaderJoins {
  constructor(
    private readonly config: Config,
    private readonly windows: RoomWindows,
    private readonly events: SyncEvents,
    private readonly store: UnreadStore,
  ) {}

  /**
   * Position of the reader's last join, by numeric room id; 0 for none. A room that came here with the account was joined at another
   * home: what counts is where that join is in the history here, or, where it is not in it, the beginning.
   */
  async of(userId: string, roomNids: readonly number[], to: number): Promise<Map<number, number>> {
    const memberships = await this.windows.memberHistory(roomNids, userId);
    const events = await this.events.load([...memberships.values()].flatMap((deltas) => deltas.flatMap(({ nid }) => nid ?? [])));
    const joins = new Map(roomNids.map((roomNid) => {
      let joined = { pos: 0, nid: null as number | null };
      let wasJoined = false;
      for (const delta of memberships.get(roomNid) ?? []) {
        const isJoined = delta.nid !== null && events.get(delta.nid)?.membership === 'join';
        if (isJoined && !wasJoined && delta.pos <= to) joined = { pos: delta.pos, nid: delta.nid };
        wasJoined = isJoined;
      }
      return [roomNid, joined];
    }));
    const elsewhere = [...joins.values()].flatMap(({ nid }) => (nid !== null && this.#isElsewhere(events.get(nid)!) ? [events.get(nid)!] : []));
    const positions = elsewhere.length === 0 ? new Map<number, number>() : await this.#positions(roomNids, userId, elsewhere);
    const isElsewhere = new Set(elsewhere.map(({ nid }) => nid));
    return new Map([...joins].map(([roomNid, { pos, nid }]) =>
      [roomNid, nid !== null && isElsewhere.has(nid) ? (positions.get(nid) ?? BEGINNING) : pos]));
  }

  /** Of those events that brought the reader into the room: who follows another join of his tells of a name or carries a record. */
  async #positions(roomNids: readonly number[], userId: string, events: readonly SyncEvent[]): Promise<Map<number, number>> {
    const cited = new Map(events.map((event) => [event, authEventsOf(event)]));
    const joins = await this.store.joinsAmong(roomNids, userId, [...cited.values()].flat());
    const first = events.filter((event) => !cited.get(event)!.some((id) => joins.has(id)));
    return this.store.positions(first.map(({ nid }) => nid));
  }

  /**
   * Whether the account may have come here with the room: another home made the event, or this one, to tell that it is a home now. An
   * account with its first record has had one home, and its member events need no further look.
   */
  #isElsewhere({ json }: SyncEvent): boolean {
    return json.includes('"home":"') && !(json.includes(`"home":"${this.config.serverName}"`) && json.includes('"seq":0,"signature"'));
  }
}

function authEventsOf({ json }: SyncEvent): string[] {
  const ids = (parseStoredJson(json) as { auth_events?: JsonValue }).auth_events;
  return referencedIds(ids).filter((id) => typeof id === 'string');
}
