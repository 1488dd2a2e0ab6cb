import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { isRoomId, isUserId } from '#federation';
import { Bus, type BusMessage } from '../bus/bus.js';
import { EduHandlers } from '../federation/edu-handlers.js';
import { EduOutbox } from '../federation/outbox/edu-outbox.js';
import { RoomAudience } from './room-audience.js';
import { TypingUsers } from './typing-users.js';

/** Longest time for which a client can announce itself, and how long a typing user of another server is believed. */
const MAX_TIMEOUT_MS = 120_000;
const REMOTE_TIMEOUT_MS = 60_000;

/** Typing notifications (Client-Server and Server-Server, "Typing notifications"). */
@Injectable()
export class Typing implements OnModuleInit, OnModuleDestroy {
  readonly #unsubscribe: () => void;

  constructor(
    private readonly users: TypingUsers,
    private readonly audience: RoomAudience,
    private readonly outbox: EduOutbox,
    private readonly edus: EduHandlers,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => this.#onMessage(message));
  }

  onModuleInit(): void {
    this.edus.register('m.typing', (origin, content) => this.#receive(origin, content));
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** @throws MatrixError 403 when the user is not in the room */
  async set(roomId: string, userId: string, isTyping: boolean, timeoutMs: number): Promise<void> {
    await this.audience.joinedRoom(roomId, userId);
    const wasTyping = this.users.isTyping(roomId, userId);
    this.#change(roomId, userId, isTyping, Math.min(timeoutMs, MAX_TIMEOUT_MS));
    // Other servers forget after half a minute or so: tell them again while it lasts.
    if (isTyping || wasTyping) await this.#tellServers(roomId, userId, isTyping);
  }

  #change(roomId: string, userId: string, isTyping: boolean, timeoutMs: number): void {
    const audience = () => this.audience.local(roomId);
    if (isTyping) this.users.start(roomId, userId, timeoutMs, audience);
    else this.users.stop(roomId, userId, audience);
  }

  /** Who left a room does not type there. */
  #onMessage(message: BusMessage): void {
    if (message.kind !== 'room') return;
    for (const { userId, membership } of message.membershipChanges) {
      if (membership !== 'join') this.#change(message.roomId, userId, false, 0);
    }
  }

  async #tellServers(roomId: string, userId: string, isTyping: boolean): Promise<void> {
    const edu = { edu_type: 'm.typing', content: { room_id: roomId, user_id: userId, typing: isTyping } };
    for (const server of await this.audience.otherServers(roomId)) this.outbox.send(server, edu);
  }

  async #receive(origin: string, { room_id: roomId, user_id: userId, typing }: Record<string, unknown>): Promise<void> {
    if (!isRoomId(roomId) || !isUserId(userId, { historical: true })) return;
    if ((await this.audience.roomOfServedMember(roomId, userId, origin)) === undefined) return;
    this.#change(roomId, userId, typing === true, REMOTE_TIMEOUT_MS);
  }
}
