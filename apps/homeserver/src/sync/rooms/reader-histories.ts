import { Injectable } from '@nestjs/common';
import { type HistoryVisibility, RoomHistory } from './history-visibility.js';
import type { StateDelta } from './room-log.js';
import { RoomWindows } from './room-windows.js';
import { SyncEvents } from './sync-events.js';

const VISIBILITIES: readonly string[] = ['world_readable', 'shared', 'invited', 'joined'];

/** A reader's past in a room: what it was at which position, and what it may see. */
export interface ReaderHistory {
  readonly history: RoomHistory;
  /** Every change of the reader's membership. */
  readonly memberships: readonly { readonly pos: number; readonly nid: number | null; readonly membership: string }[];
  /** True when the history visibility hides nothing of the room from somebody who is joined. */
  readonly isOpen: boolean;
}

/** Reads what decides about the visibility of events: for rooms that are new to a reader, or that it left. */
@Injectable()
export class ReaderHistories {
  constructor(
    private readonly windows: RoomWindows,
    private readonly events: SyncEvents,
  ) {}

  /** @param to a position that is committed; later changes of memberships are left out */
  async of(
    userId: string, rooms: readonly { roomNid: number; isJoined: boolean }[], to: number,
  ): Promise<Map<number, ReaderHistory>> {
    if (rooms.length === 0) return new Map();
    const nids = rooms.map((room) => room.roomNid);
    // What is held of the rooms may be of before the visibility changed.
    await this.windows.refresh(nids, to);
    const [visibilities, memberships] = await Promise.all([
      this.windows.visibilityHistory(nids),
      this.windows.memberHistory(nids, userId),
    ]);
    const events = await this.events.load([...nidsOf(visibilities), ...nidsOf(memberships)]);
    const visibilityOf = (nid: number | null): HistoryVisibility => {
      const value = nid === null ? undefined : events.get(nid)?.content['history_visibility'];
      // Other values count as shared, like none (Client-Server, "Room history visibility").
      return typeof value === 'string' && VISIBILITIES.includes(value) ? (value as HistoryVisibility) : 'shared';
    };
    const membershipOf = (nid: number | null): string => (nid === null ? undefined : events.get(nid)?.membership) ?? 'leave';
    return new Map(rooms.map(({ roomNid, isJoined }) => {
      const visibility = visibilities.get(roomNid) ?? [];
      const own = (memberships.get(roomNid) ?? []).filter((delta) => delta.pos <= to);
      return [roomNid, {
        history: new RoomHistory(visibility, own, isJoined, visibilityOf, membershipOf),
        memberships: own.map((delta) => ({ pos: delta.pos, nid: delta.nid, membership: membershipOf(delta.nid) })),
        isOpen: RoomHistory.isOpenAfter(-Infinity, visibility, visibilityOf),
      }];
    }));
  }
}

function* nidsOf(histories: ReadonlyMap<number, readonly StateDelta[]>): Generator<number> {
  for (const deltas of histories.values()) {
    for (const { nid, previous } of deltas) {
      if (nid !== null) yield nid;
      if (previous !== null) yield previous;
    }
  }
}
