import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Bus } from '../bus/bus.js';
import { StreamPositions } from '../storage/stream-positions.js';

/** Rooms in which somebody types or typed lately, and people who type in one room. */
const MAX_ROOMS = 10_000;
const MAX_USERS = 200;

interface TypingRoom {
  readonly users: Map<string, NodeJS.Timeout>;
  /** Position of the last change in the `typing` stream. */
  pos: number;
}

/** Who types where. Nothing of it is stored: after a restart nobody types. */
@Injectable()
export class TypingUsers implements OnModuleDestroy {
  /** Least recently changed first. */
  readonly #rooms = new Map<string, TypingRoom>();

  constructor(
    private readonly positions: StreamPositions,
    private readonly bus: Bus,
  ) {}

  onModuleDestroy(): void {
    for (const room of this.#rooms.values()) for (const timer of room.users.values()) clearTimeout(timer);
    this.#rooms.clear();
  }

  /** Those who type in the room, and since when the list is as it is; undefined when nobody did lately. */
  inRoom(roomId: string): { pos: number; users: string[] } | undefined {
    const room = this.#rooms.get(roomId);
    return room && { pos: room.pos, users: [...room.users.keys()] };
  }

  /**
   * @param timeoutMs after which the user counts as having stopped
   * @param audience accounts on this server that see it, asked when the list changes
   */
  start(roomId: string, userId: string, timeoutMs: number, audience: () => Promise<readonly string[]>): void {
    const room = this.#rooms.get(roomId) ?? { users: new Map<string, NodeJS.Timeout>(), pos: 0 };
    const running = room.users.get(userId);
    if (!running && room.users.size >= MAX_USERS) return;
    clearTimeout(running);
    const timer = setTimeout(() => this.stop(roomId, userId, audience), timeoutMs);
    timer.unref();
    room.users.set(userId, timer);
    if (!running) this.#changed(roomId, room, audience);
  }

  stop(roomId: string, userId: string, audience: () => Promise<readonly string[]>): void {
    const room = this.#rooms.get(roomId);
    const running = room?.users.get(userId);
    if (!room || !running) return;
    clearTimeout(running);
    room.users.delete(userId);
    this.#changed(roomId, room, audience);
  }

  isTyping(roomId: string, userId: string): boolean {
    return this.#rooms.get(roomId)?.users.has(userId) ?? false;
  }

  #changed(roomId: string, room: TypingRoom, audience: () => Promise<readonly string[]>): void {
    room.pos = this.positions.next('typing');
    this.positions.commit('typing', room.pos);
    this.#rooms.delete(roomId);
    this.#rooms.set(roomId, room);
    const oldest = this.#rooms.entries().next().value!;
    if (this.#rooms.size > MAX_ROOMS) {
      for (const timer of oldest[1].users.values()) clearTimeout(timer);
      this.#rooms.delete(oldest[0]);
    }
    const { pos } = room;
    void audience().then((users) => this.bus.publish({ kind: 'stream', stream: 'typing', pos, users }), () => undefined);
  }
}
