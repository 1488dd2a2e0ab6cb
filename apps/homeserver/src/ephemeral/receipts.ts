import { Injectable, type OnModuleInit } from '@nestjs/common';
import { isEventId, isRoomId } from '#federation';
import { parseStoredJson } from '#json';
import { AccountDirectory } from '../accounts/account-directory.js';
import { type AccountChange, AccountOps, type RemoteChange } from '../accounts/account-ops.js';
import { Bus } from '../bus/bus.js';
import { MatrixError } from '../errors/matrix-error.js';
import { EduHandlers } from '../federation/edu-handlers.js';
import { EduOutbox } from '../federation/outbox/edu-outbox.js';
import { Clock } from '../observability/clock.js';
import { Database, type Transaction } from '../storage/database.js';
import { StreamPositions } from '../storage/stream-positions.js';
import { type Positioned, StreamWriter } from '../storage/stream-writer.js';
import { isBehind } from './is-behind.js';
import { FULLY_READ_TYPE, ReadMarkers } from './read-markers.js';
import { MAX_SET, ReadSets } from './reads/read-sets.js';
import { readReceiptEdu, receiptEdu } from './receipt-edu.js';
import { type EventPlace, type Receipt, ReceiptsStore } from './receipts.store.js';
import { RoomAudience } from './room-audience.js';
import { mayBeInThread } from './thread-of-event.js';

/** Threads of a room in which a replica says what an account has read. */
const MAX_TOLD = 200;

export type ReceiptType = Receipt['type'];

/** Hears that a receipt of an account on this server has changed. */
export type OwnReceiptListener = (userId: string, roomNid: number) => void;

interface Submission extends Receipt {
  /** Accounts on this server to wake. */
  readonly audience: readonly string[];
  /** Whether the account's other homes are to be told. */
  readonly isOwn: boolean;
  /** Of the event in the timeline, and what other homes are told that was read; of own ones. */
  readonly pos?: number | null;
  readonly read?: readonly string[] | null;
  /** Whether only more is read than before, and the receipt stays where it is. */
  readonly isSame?: boolean;
}

/** Read receipts (Client-Server and Server-Server, "Receipts"): the one writer of the `receipts` stream. */
@Injectable()
export class Receipts implements OnModuleInit {
  readonly #writer: StreamWriter<Submission>;
  readonly #listeners = new Set<OwnReceiptListener>();

  constructor(
    db: Database,
    positions: StreamPositions,
    bus: Bus,
    private readonly store: ReceiptsStore,
    private readonly audience: RoomAudience,
    private readonly markers: ReadMarkers,
    private readonly reads: ReadSets,
    private readonly accounts: AccountDirectory,
    private readonly ops: AccountOps,
    private readonly outbox: EduOutbox,
    private readonly edus: EduHandlers,
    private readonly clock: Clock,
  ) {
    this.#writer = new StreamWriter<Submission>(
      'receipts', db, positions, bus, (tx, items) => this.#write(tx, items), (item) => item.audience,
    );
  }

  onModuleInit(): void {
    this.edus.register('m.receipt', (origin, content) => this.#receive(origin, content));
    this.ops.register('read_marker', {
      merge: 'own',
      apply: (change) => this.#applyRemote(change),
      snapshot: async (userId) => {
        const sets = await this.reads.ofUser(userId);
        return [
          ...(await this.store.allOfUser(userId)).map((row) =>
            receiptOp({ roomId: row.room_id, type: row.type, threadId: row.thread_id, eventId: row.event_id, ts: row.ts }, sets.get(`${row.room_id} ${row.thread_id}`))),
          ...(await this.markers.all(userId)),
        ];
      },
    });
  }

  /** Called after the commit. */
  onOwnChanged(listener: OwnReceiptListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Sets a receipt of an account on this server. One that is behind the present one changes nothing.
   *
   * @param threadId thread root, `main`, or empty for an unthreaded receipt
   * @throws MatrixError 403 when the user is not in the room; 400 M_INVALID_PARAM when the event is not in the thread
   */
  async set(roomId: string, userId: string, type: ReceiptType, eventId: string, threadId: string): Promise<void> {
    const roomNid = await this.audience.joinedRoom(roomId, userId);
    const places = await this.#places(roomNid, roomId, userId, type, threadId, eventId);
    const place = places.next;
    if (place && threadId !== '' && !mayBeInThread(eventId, place.json, threadId)) {
      throw MatrixError.invalidParam('The event is not related to the thread');
    }
    const taken = { userId, roomId, roomNid, threadId, eventId, pos: place?.pos ?? null };
    const isSame = isBehind(place, places.present);
    // A receipt that came from another home may be further along, and yet leave something of this timeline unread.
    if (isSame && !(await this.reads.isNews(taken))) return;
    const ts = this.clock.now();
    const audience = type === 'm.read' && !isSame ? await this.audience.local(roomId) : [userId];
    const read = await this.reads.readBy(taken);
    await this.#submit({ roomNid, roomId, userId, type, threadId, eventId, ts, audience, isOwn: true, pos: taken.pos, read, isSame });
    if (type === 'm.read' && !isSame) await this.#tellServers(roomId, userId, eventId, threadId, ts);
  }

  async #submit(submission: Submission): Promise<void> {
    await this.#writer.submit(submission);
  }

  async #tellServers(roomId: string, userId: string, eventId: string, threadId: string, ts: number): Promise<void> {
    const edu = { edu_type: 'm.receipt', content: receiptEdu({ roomId, userId, eventId, threadId, ts }) };
    for (const server of await this.audience.otherServers(roomId)) this.outbox.send(server, edu);
  }

  async #receive(origin: string, content: Record<string, unknown>): Promise<void> {
    await Promise.all(readReceiptEdu(content).map(async ({ roomId, userId, eventId, threadId, ts = this.clock.now() }) => {
      const roomNid = await this.audience.roomOfServedMember(roomId, userId, origin);
      if (roomNid === undefined) return;
      const { present, next } = await this.#places(roomNid, roomId, userId, 'm.read', threadId, eventId);
      if (isBehind(next, present)) return;
      const audience = await this.audience.local(roomId);
      await this.#submit({ roomNid, roomId, userId, type: 'm.read', threadId, eventId, ts, audience, isOwn: false });
    }));
  }

  /** A receipt that the account set at another of its homes: the furthest along in the room wins (protocol §4). */
  async #applyRemote({ userId, key, value }: RemoteChange): Promise<void> {
    const { roomId, type, threadId, eventId, ts } = readMarker(key, value) ?? {};
    if (!roomId || !type || threadId === undefined || !eventId || ts === undefined) return;
    if (type === FULLY_READ_TYPE) return this.markers.applyRemote(roomId, userId, eventId);
    await this.reads.merge(userId, roomId, threadId, readIn(value) ?? [eventId]);
    await this.#applyReceipt({ userId, roomId, type, threadId, eventId, ts });
    const roomNid = await this.store.roomNid(roomId);
    if (roomNid !== undefined) for (const listener of this.#listeners) listener(userId, roomNid);
  }

  /** What an account has told everybody in a room that it has read: event ids by thread, the latest ones. */
  async readBy(roomNid: number, userId: string): Promise<Record<string, string>> {
    const own = (await this.store.ofUser([roomNid], userId)).filter((row) => row.type === 'm.read').sort((a, b) => b.ts - a.ts);
    return Object.fromEntries(own.slice(0, MAX_TOLD).map((row) => [row.thread_id, row.event_id]));
  }

  /**
   * A room of an account has come here: what was read in it at other homes counts from now on. An emergency home has no other one to
   * ask; to it counts what the room's replicas know that the account has read.
   *
   * @param told event ids by thread, of each replica that has said so
   */
  async roomArrived(userId: string, roomId: string, told: readonly ReadonlyMap<string, string>[] = []): Promise<void> {
    await this.#waitingArrived(userId, roomId);
    const roomNid = await this.store.roomNid(roomId);
    if (roomNid === undefined || !this.reads.isKept(userId)) return;
    const own = new Map(Object.entries(await this.readBy(roomNid, userId)));
    const threads = new Map<string, Set<string>>();
    for (const read of [own, ...told]) for (const [threadId, eventId] of read) threads.set(threadId, (threads.get(threadId) ?? new Set()).add(eventId));
    for (const [threadId, eventIds] of threads) {
      await this.reads.merge(userId, roomId, threadId, [...eventIds]);
      for (const eventId of eventIds) await this.#applyReceipt({ userId, roomId, type: 'm.read', threadId, eventId, ts: this.clock.now() });
    }
    if (threads.size > 0) for (const listener of this.#listeners) listener(userId, roomNid);
  }

  async #waitingArrived(userId: string, roomId: string): Promise<void> {
    const waiting = await this.store.waiting(userId, roomId);
    for (const row of waiting) {
      await this.#applyReceipt({ userId, roomId, type: row.type, threadId: row.thread_id, eventId: row.event_id, ts: row.ts });
    }
    if (waiting.length > 0) await this.store.deleteWaiting(userId, roomId);
  }

  async #applyReceipt(receipt: Omit<Receipt, 'roomNid'>): Promise<void> {
    const { userId, roomId, type, threadId, eventId } = receipt;
    const roomNid = await this.store.roomNid(roomId);
    if (roomNid === undefined) {
      await this.store.putWaiting(receipt);
      // The room may have come meanwhile, too late for the question and too early for its answer.
      if ((await this.store.roomNid(roomId)) !== undefined) await this.#waitingArrived(userId, roomId);
      return;
    }
    const { present, next } = await this.#places(roomNid, roomId, userId, type, threadId, eventId);
    if (isBehind(next, present)) return;
    const audience = type === 'm.read' ? await this.audience.local(roomId) : [userId];
    await this.#submit({ ...receipt, roomNid, audience, isOwn: false });
  }

  /** Where the present receipt and the new one point; undefined for events that are not here. */
  async #places(
    roomNid: number, roomId: string, userId: string, type: ReceiptType, threadId: string, eventId: string,
  ): Promise<{ present?: EventPlace; next?: EventPlace }> {
    const own = await this.store.ofUser([roomNid], userId);
    const presentId = own.find((row) => row.type === type && row.thread_id === threadId)?.event_id;
    const places = await this.store.places(presentId === undefined ? [eventId] : [presentId, eventId], roomId);
    return { present: presentId === undefined ? undefined : places.get(presentId), next: places.get(eventId) };
  }

  async #write(tx: Transaction, items: readonly Positioned<Submission>[]): Promise<void> {
    tx.afterCommit(() => {
      for (const { item: { userId, roomNid } } of items) {
        if (this.accounts.has(userId)) for (const listener of this.#listeners) listener(userId, roomNid);
      }
    });
    await this.store.upsert(tx, items.filter(({ item }) => !item.isSame));
    const ops = new Map<string, AccountChange[]>();
    for (const { item } of items) {
      if (!item.isOwn || !this.accounts.has(item.userId)) continue;
      const read = item.read ? await this.reads.put(tx, { ...item, pos: item.pos ?? null }, item.read) : undefined;
      ops.set(item.userId, [...(ops.get(item.userId) ?? []), receiptOp(item, read)]);
    }
    if (ops.size > 0) await this.ops.recordAll(tx, ops);
  }
}

/** @param read what the account has read there, as a set of events */
function receiptOp(
  { roomId, type, threadId, eventId, ts }: Pick<Receipt, 'roomId' | 'type' | 'threadId' | 'eventId' | 'ts'>, read?: readonly string[],
): AccountChange {
  return { kind: 'read_marker', key: JSON.stringify([roomId, type, threadId]), value: { event_id: eventId, ts, read: read ?? [eventId] } };
}

/** The set in an operation; version 1 had none. */
function readIn(value: unknown): string[] | undefined {
  const { read } = (value ?? {}) as { read?: unknown };
  return Array.isArray(read) ? read.slice(0, MAX_SET).filter((id) => isEventId(id)) : undefined;
}

function readMarker(
  key: string, value: unknown,
): { roomId: string; type: ReceiptType | typeof FULLY_READ_TYPE; threadId: string; eventId: string; ts: number } | undefined {
  let parts: unknown;
  try {
    parts = parseStoredJson(key);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || typeof value !== 'object' || value === null) return undefined;
  const [roomId, type, threadId] = parts as unknown[];
  const { event_id: eventId, ts } = value as Record<string, unknown>;
  const isRead = isRoomId(roomId) && (type === 'm.read' || type === 'm.read.private' || type === FULLY_READ_TYPE) && typeof threadId === 'string'
    && isEventId(eventId) && typeof ts === 'number' && Number.isSafeInteger(ts);
  return isRead ? { roomId, type, threadId, eventId, ts } : undefined;
}
