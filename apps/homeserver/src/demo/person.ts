import {
  ClientEvent, createClient, EventType, Filter, KnownMembership, MatrixEventEvent, MsgType, PendingEventOrdering, Preset, RoomEvent,
  type MatrixClient, type MatrixEvent,
} from 'matrix-js-sdk';
import type { Session } from './account.js';
import { silentLogger } from './silent-logger.js';
import { until, within } from './within.js';

/** In the (encrypted) content: the author's count, by which a message is known whatever its event id. */
const COUNT = 'io.partyline.count';
/** Larger than what comes while somebody is away: a shorter timeline would have a gap, which a person fills by scrolling up. */
const TIMELINE_LIMIT = 1_000;
const SYNC_TIMEOUT_MS = 15_000;

/** A message as it came up in a timeline. */
export interface ShownMessage {
  readonly sender: string;
  readonly count: number;
  readonly eventId: string;
  readonly place: number;
  readonly text: string;
}

/** Somebody with an ordinary Matrix client: matrix-js-sdk with its encryption. */
export class Person {
  #places = 0;
  readonly #listeners = new Set<(message: ShownMessage) => void>();
  readonly #removals = new Set<(eventId: string) => void>();
  /** By event id, of what is there but cannot be read (yet). */
  readonly #unreadable = new Map<string, string>();

  private constructor(
    readonly name: string,
    readonly client: MatrixClient,
  ) {
    client.on(RoomEvent.Timeline, (event, _room, toStart, removed, data) => {
      // An own message that comes back before it is acknowledged is taken out and put in again.
      if (removed) for (const listener of this.#removals) listener(event.getId()!);
      else if (!toStart && data.liveEvent) this.#arrived(event);
    });
  }

  /** Resolves when the client has synced for the first time. */
  static async enter(name: string, session: Session, baseUrl: string, fetchFn?: typeof globalThis.fetch): Promise<Person> {
    const { userId, deviceId, accessToken } = session;
    const client = createClient({ baseUrl, userId, deviceId, accessToken, logger: silentLogger, disableVoip: true, ...(fetchFn ? { fetchFn } : {}) });
    await client.initRustCrypto({ useIndexedDB: false });
    const person = new Person(name, client);
    const synced = new Promise<void>((resolve) => {
      client.on(ClientEvent.Sync, (state) => void (state === 'PREPARED' && resolve()));
    });
    const filter = new Filter(userId);
    filter.setTimelineLimit(TIMELINE_LIMIT);
    await client.startClient({ filter, pendingEventOrdering: PendingEventOrdering.Detached });
    await within(SYNC_TIMEOUT_MS, `the first sync of ${name}`, synced);
    return person;
  }

  get userId(): string {
    return this.client.getUserId()!;
  }

  onMessage(listener: (message: ShownMessage) => void): void {
    this.#listeners.add(listener);
  }

  onRemoved(listener: (eventId: string) => void): void {
    this.#removals.add(listener);
  }

  /** What this person's client knows of an event, for explaining a failure. */
  knows(roomId: string, eventId: string): string {
    const event = this.client.getRoom(roomId)?.findEventById(eventId);
    if (!event) return 'not there';
    if (event.isDecryptionFailure()) return `not readable (${event.decryptionFailureReason ?? 'unknown'})`;
    return `there (${event.status ?? 'received'})`;
  }

  /** Why messages that are there cannot be read. */
  get unreadable(): readonly string[] {
    return [...this.#unreadable.values()];
  }

  /** Makes an encrypted room of two. */
  async openRoom(title: string, guest: string): Promise<string> {
    const { room_id: roomId } = await this.client.createRoom({
      name: title,
      preset: Preset.TrustedPrivateChat,
      invite: [guest],
      initial_state: [{ type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
    });
    return roomId;
  }

  /** Follows an invitation. */
  async join(roomId: string): Promise<void> {
    await until(15_000, `the invitation to reach ${this.name}`, () => this.client.getRoom(roomId)?.getMyMembership() === KnownMembership.Invite);
    await this.client.joinRoom(roomId);
  }

  /** Waits until this person's client sees the others in an encrypted room, and the devices that it is to encrypt for. */
  async seesRoom(roomId: string, others: readonly Person[]): Promise<void> {
    await until(15_000, `${this.name} to see everybody in the room`, async () => {
      const room = this.client.getRoom(roomId);
      if (!room?.hasEncryptionStateEvent() || room.getJoinedMemberCount() !== others.length + 1) return false;
      const devices = await this.client.getCrypto()!.getUserDeviceInfo(others.map((other) => other.userId), true);
      return others.every((other) => devices.get(other.userId)?.has(other.client.getDeviceId()!) === true);
    });
  }

  /** Resolves with the event id once the message is acknowledged. Called again with the same transaction, it is the same message. */
  async write(roomId: string, count: number, text: string): Promise<string> {
    const content = { msgtype: MsgType.Text as const, body: text, [COUNT]: count };
    const { event_id: eventId } = await this.client.sendMessage(roomId, content, `${this.name}.${count}`);
    return eventId;
  }

  /** Tries again what could not be sent. */
  async rewrite(roomId: string, count: number): Promise<string> {
    const room = this.client.getRoom(roomId)!;
    const event = room.getPendingEvents().find((pending) => pending.getTxnId() === `${this.name}.${count}`);
    if (!event) throw new Error(`${this.name} has no unsent message ${count}`);
    const { event_id: eventId } = await this.client.resendEvent(event, room);
    return eventId;
  }

  leave(): void {
    this.client.stopClient();
  }

  #arrived(event: MatrixEvent): void {
    const place = ++this.#places;
    const eventId = event.getId()!;
    const show = (): boolean => {
      if (event.isDecryptionFailure()) this.#unreadable.set(eventId, `${event.getSender()}: ${event.decryptionFailureReason ?? 'unknown'}`);
      const { [COUNT]: count, body } = event.getContent();
      if (typeof count !== 'number' || event.isDecryptionFailure()) return false;
      this.#unreadable.delete(eventId);
      for (const listener of this.#listeners) listener({ sender: event.getSender()!, count, eventId, place, text: String(body) });
      return true;
    };
    if (show() || !event.isEncrypted()) return;
    const decrypted = (): void => void (show() && event.off(MatrixEventEvent.Decrypted, decrypted));
    event.on(MatrixEventEvent.Decrypted, decrypted);
  }
}
