import { Injectable } from '@nestjs/common';
import { stateKeyOf, type RoomEvent } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { LocalMembershipsStore } from '../membership/local-memberships.store.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { SnapshotsStore } from '../state/snapshots.store.js';
import { bytesOf, placed, type StateEntry } from '../state/state-entry.js';
import { WholeState } from '../state/whole-state.js';
import { EventsStore } from './events.store.js';

/** A room's state as somebody may see it: now, or when he left. */
export interface VisibleState {
  readonly room: Room;
  /** True when it is the current state. */
  readonly isCurrent: boolean;
  get(type: string, stateKey: string): Promise<RoomEvent | undefined>;
  /** All events, or those of one type, as far as they have a place in an answer. */
  all(type?: string): Promise<RoomEvent[]>;
}

/** Who may look into a room. */
@Injectable()
export class RoomAccess {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly memberships: LocalMembershipsStore,
    private readonly snapshots: SnapshotsStore,
    private readonly events: EventsStore,
    private readonly whole: WholeState,
  ) {}

  /** @throws 403 `M_FORBIDDEN` when the user is not and was not in the room and it is not world-readable */
  async visibleState(userId: string, roomId: string): Promise<VisibleState> {
    const room = await this.registry.find(roomId);
    if (!room) throw MatrixError.forbidden('You are not in this room');
    if (room.state.joined.has(userId) || isWorldReadable(room)) return this.#current(room);
    const held = await this.memberships.ofUserInRoom(userId, roomId);
    if (held?.membership === 'leave' && !held.forgotten) {
      const state = await this.#stateAt(room, held.eventNid);
      if (state) return state;
    }
    throw MatrixError.forbidden('You are not in this room');
  }

  /**
   * As `visibleState`, as it was at a position of the timeline; never later than the user may see.
   *
   * @param pos position in the `events` stream
   */
  async visibleStateAt(userId: string, roomId: string, pos: number): Promise<VisibleState> {
    const state = await this.visibleState(userId, roomId);
    if (!state.isCurrent) return state;
    const last = await this.events.lastAt(roomId, pos);
    if (!last) return this.#stateOf(state.room, await this.#firstState(state.room, pos));
    if (last.stateNid === null) return state;
    const after = await this.registry.stateAfter(last, state.room.rules);
    return after.nid === state.room.snapshot.nid ? state : this.#stateOf(state.room, after.shown(state.room.rules));
  }

  /**
   * The state before all of the timeline that is here. A timeline that begins with the room has its `prev_batch` before all: who asks
   * there gets the room as it began, with its creator in it.
   */
  async #firstState(room: Room, pos: number): Promise<ReadonlyMap<string, number>> {
    const [first, second] = await this.events.range(room.id, pos, Number.MAX_SAFE_INTEGER, 2);
    if (first?.event.pdu.type === 'm.room.create' && second?.event.pdu.type === 'm.room.member') return (await this.registry.stateAfter(second, room.rules)).shown(room.rules);
    return (await this.snapshots.load(first?.stateNid ?? null)).shown(room.rules);
  }

  /** The state after the event with which the user left; undefined when the user never was in the room with this server. */
  async #stateAt(room: Room, eventNid: number): Promise<VisibleState | undefined> {
    const [left] = await this.events.byNids([eventNid]);
    if (!left || left.stateNid === null) return undefined;
    const before = await this.snapshots.load(left.stateNid);
    const { membership } = (await this.events.byNids([before.get(stateKeyOf('m.room.member', left.stateKey ?? '')) ?? -1]))[0]?.event.pdu.content ?? {};
    // Rejecting an invitation does not let in.
    if (membership !== 'join') return undefined;
    const nids = before.shown(room.rules).set(stateKeyOf(left.type, left.stateKey ?? ''), left.nid);
    return this.#stateOf(room, nids);
  }

  #current(room: Room): VisibleState {
    return {
      room,
      isCurrent: true,
      get: async (type, stateKey) => {
        const entry = room.state.entry(type, stateKey);
        return entry && (await this.whole.of([entry]))[0];
      },
      all: (type) => {
        const entries: StateEntry[] = [];
        for (const [, entry] of room.state.entries()) if (type === undefined || entry.event.pdu.type === type) entries.push(entry);
        return this.whole.of(placed(entries, bytesOf));
      },
    };
  }

  #stateOf(room: Room, nids: ReadonlyMap<string, number>): VisibleState {
    const load = async (wanted: readonly number[]) => (await this.events.byNids(wanted)).map((stored) => stored.event);
    return {
      room,
      isCurrent: false,
      get: async (type, stateKey) => (await load([nids.get(stateKeyOf(type, stateKey)) ?? -1]))[0],
      all: (type) => load([...nids].filter(([key]) => type === undefined || key.startsWith(`${type}\u0000`)).map(([, nid]) => nid)),
    };
  }
}

function isWorldReadable(room: Room): boolean {
  return room.state.get('m.room.history_visibility', '')?.pdu.content['history_visibility'] === 'world_readable';
}
