import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Bus } from '../../bus/bus.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { DeviceListStore } from './device-list.store.js';

/** Changes of memberships that are looked at one by one; beyond, everybody counts as changed, which costs clients a query. */
const MAX_DELTAS = 20_000;
const MAX_CACHED = 200_000;

/** The streams that decide what `device_lists` of a sync says. */
export interface DeviceListPositions {
  readonly events: number;
  readonly device_lists: number;
}

export interface ChangedDeviceLists {
  /** Users whose keys changed, or who began to share a room with the account. */
  readonly changed: string[];
  /** Users who share no room with the account any more. */
  readonly left: string[];
}

/** What an account has to know about other users' device lists: the reading side, for `/sync` and `/keys/changes`. */
@Injectable()
export class DeviceListReader implements OnModuleDestroy {
  /**
   * Account → position of the last commit in which a membership changed in one of its rooms. Accounts that are not held are
   * as far as `#floor` at most. It spares syncs with new messages a query.
   */
  readonly #lastChange = new LRUCache<string, number>({
    maxSize: MAX_CACHED,
    sizeCalculation: () => 1,
    dispose: (pos, _userId, reason) => {
      if (reason === 'evict') this.#floor = Math.max(this.#floor, pos);
    },
  });
  #floor: number;
  readonly #unsubscribe: () => void;

  constructor(
    private readonly store: DeviceListStore,
    private readonly memberships: Memberships,
    positions: StreamPositions,
    bus: Bus,
  ) {
    this.#floor = positions.current('events');
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind !== 'room' || message.membershipChanges.length === 0) return;
      for (const userId of message.users) this.#lastChange.set(userId, message.pos);
      for (const change of message.membershipChanges) if (change.isLocal) this.#lastChange.set(change.userId, message.pos);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** Users, of those who share a room with the account, whose keys changed with `from < pos <= to` in the `device_lists` stream. */
  changed(userId: string, from: number, to: number): Promise<string[]> {
    return from >= to ? Promise.resolve([]) : this.store.changed(userId, from, to);
  }

  /** Users who began or ceased to share rooms with the account, with `from < pos <= to` in the `events` stream. */
  async sharing(userId: string, from: number, to: number): Promise<ChangedDeviceLists> {
    if (from >= to || (this.#lastChange.get(userId) ?? this.#floor) <= from) return { changed: [], left: [] };
    const deltas = await this.store.membershipDeltas(userId, from, to, MAX_DELTAS + 1);
    if (deltas.length > MAX_DELTAS) return { changed: [...(await this.memberships.usersSharingRoomWith(userId))], left: [] };
    const entered = new Set<number>();
    const leftRooms = new Set<number>();
    const changed = new Set<string>();
    const mayHaveLeft = new Set<string>();
    for (const delta of deltas) {
      if (delta.wasJoined === delta.isJoined) continue;
      if (delta.userId === userId) (delta.isJoined ? entered : leftRooms).add(delta.roomNid);
      else (delta.isJoined ? changed : mayHaveLeft).add(delta.userId);
    }
    if (entered.size > 0) for (const member of await this.store.joinedMembers([...entered])) changed.add(member);
    if (leftRooms.size > 0) for (const member of await this.store.members([...leftRooms])) mayHaveLeft.add(member);
    changed.delete(userId);
    mayHaveLeft.delete(userId);
    if (changed.size === 0 && mayHaveLeft.size === 0) return { changed: [], left: [] };
    // Who came and went again is not shared with; who went from one room may be in another.
    const shared = await this.memberships.usersSharingRoomWith(userId);
    const begun = [...changed].filter((other) => shared.has(other));
    return {
      // With others in a new room one's own other devices begin to matter.
      changed: entered.size > 0 && begun.length > 0 ? [...begun, userId] : begun,
      left: [...new Set([...mayHaveLeft, ...changed])].filter((other) => !shared.has(other)),
    };
  }

  /** For a client whose knowledge is of a history that was lost: everybody. */
  async all(userId: string): Promise<string[]> {
    return [...(await this.memberships.usersSharingRoomWith(userId))];
  }

  /** Both together. */
  async since(userId: string, from: DeviceListPositions, to: DeviceListPositions): Promise<ChangedDeviceLists> {
    const keys = await this.changed(userId, from.device_lists, to.device_lists);
    const sharing = await this.sharing(userId, from.events, to.events);
    return { changed: [...new Set([...keys, ...sharing.changed])], left: sharing.left };
  }
}
