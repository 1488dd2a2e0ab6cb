import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Bus } from '../../bus/bus.js';
import { RoomRegistry } from '../room-registry.js';
import { LocalMembershipsStore, type RoomMembership } from './local-memberships.store.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { Database } from '../../storage/database.js';

/** Who is where: the read side of memberships, exact after each commit. */
@Injectable()
export class Memberships implements OnModuleDestroy {
  readonly #rooms = boundedCache<string, Promise<ReadonlyMap<string, RoomMembership>>>(5_000);
  readonly #unsubscribe: () => void;

  constructor(
    private readonly store: LocalMembershipsStore,
    private readonly registry: RoomRegistry,
    private readonly db: Database,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      for (const change of message.membershipChanges) if (change.isLocal) this.#rooms.delete(change.userId);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** Every room of a local account by room id, in whatever membership, without those that it forgot. */
  roomsOf(userId: string): Promise<ReadonlyMap<string, RoomMembership>> {
    let rooms = this.#rooms.get(userId);
    if (!rooms) {
      rooms = this.store
        .ofUser(userId)
        .then((list) => new Map(list.filter((room) => !room.forgotten).map((room) => [room.roomId, room])));
      this.#rooms.set(userId, rooms);
      rooms.catch(() => this.#rooms.delete(userId));
    }
    return rooms;
  }

  /** @returns false when the account has not left the room */
  async forget(userId: string, roomId: string): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      tx.afterCommit(() => this.#rooms.delete(userId));
      return this.store.forget(tx, userId, roomId);
    });
  }

  /** Joined members of a room, of all servers; empty when the room is not here. */
  async joinedMembers(roomId: string): Promise<ReadonlySet<string>> {
    return (await this.registry.find(roomId))?.state.joined ?? new Set();
  }

  async isJoined(roomId: string, userId: string): Promise<boolean> {
    return (await this.joinedMembers(roomId)).has(userId);
  }

  /** Joined members with an account on this server. */
  async localJoined(roomId: string): Promise<readonly string[]> {
    return (await this.registry.find(roomId))?.state.localJoined ?? [];
  }

  /** Other servers in a room. */
  async otherServers(roomId: string): Promise<readonly string[]> {
    return (await this.registry.find(roomId))?.state.otherServers ?? [];
  }

  usersSharingRoomWith(userId: string): Promise<Set<string>> {
    return this.store.usersSharingRoomWith(userId);
  }

  sharesRoom(a: string, b: string): Promise<boolean> {
    return this.store.sharesRoom(a, b);
  }

  /** Rooms held here in which a user of any server is joined. */
  joinedRooms(userId: string): Promise<string[]> {
    return this.store.joinedRooms(userId);
  }

  /** Other servers of a room that share no other one with the user; for who has just heard of a commit, as they are after it. */
  async serversSharingOnly(userId: string, roomId: string): Promise<string[]> {
    const room = await this.registry.find(roomId);
    const servers = new Set(await room?.run(() => room.state.otherServers));
    for (const other of servers.size === 0 ? [] : await this.joinedRooms(userId)) {
      if (other !== roomId) for (const server of await this.otherServers(other)) servers.delete(server);
      if (servers.size === 0) break;
    }
    return [...servers];
  }

  /** Other servers that serve somebody who shares a room with the user. */
  async serversSharingRoomWith(userId: string): Promise<Set<string>> {
    const servers = new Set<string>();
    for (const roomId of await this.joinedRooms(userId)) {
      for (const server of await this.otherServers(roomId)) servers.add(server);
    }
    return servers;
  }
}
