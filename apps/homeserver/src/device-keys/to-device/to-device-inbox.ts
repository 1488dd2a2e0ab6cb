import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { type AccountChange, AccountOps } from '../../accounts/account-ops.js';
import { Bus } from '../../bus/bus.js';
import { Clock } from '../../observability/clock.js';
import { Database, type Transaction } from '../../storage/database.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { type Positioned, StreamWriter } from '../../storage/stream-writer.js';
import { type DeviceMessage, type MessageKey, ToDeviceStore } from './to-device.store.js';
import { InboxShares, MAX_BYTES_OF_SENDER, MAX_MESSAGES_OF_SENDER } from './inbox-shares.js';
import { toDeviceId } from './to-device-id.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Messages that wait for one device; beyond, the oldest are dropped: such a device is dead. */
const MAX_WAITING = 20_000;
/** A device's inbox is measured after so many messages. */
const TRIM_EVERY = 500;
/** Messages in one sync. */
const PAGE = 100;
const MAX_CACHED = 100_000;
/** How long received messages are remembered where an account has one home: the sender's client or server repeats a request within that time. */
const CONSUMED_MEMORY_MS = 7 * 24 * 3_600_000;

/** As tombstones of operations (protocol §4): another home that was away brings a message when it is back. */
const SEEN_MEMORY_MS = 90 * 24 * 3_600_000;
/** Messages got elsewhere that are remembered for one device. */
const MAX_SEEN = 2_000;

interface NewMessage {
  readonly type: 'message';
  readonly message: DeviceMessage;
  /** Whether it came from another home of the account, which knows it already. */
  readonly isReplica: boolean;
}

/** What a device has received at another home. */
interface Received {
  readonly type: 'received';
  readonly userId: string;
  readonly deviceId: string;
  readonly keys: readonly MessageKey[];
  /** Messages that are not here, at least not up to the position `scanned`. */
  readonly ids: ReadonlySet<string>;
  readonly scanned: number;
  readonly isReplica: boolean;
}

type Item = NewMessage | Received;
type NoteOp = (userId: string, op: AccountChange) => void;

/** What is known of a device's inbox without asking the database. */
interface InboxState {
  /** False when it is certainly empty. */
  mayHold: boolean;
  /** Messages that are being stored, … */
  writing: number;
  /** … and those that were: to tell whether any came while the database was asked. */
  received: number;
  sinceTrim: number;
}

/** The messages that wait for the devices of accounts on this server; the one writer of the `to_device` stream. */
@Injectable()
export class ToDeviceInbox implements OnApplicationBootstrap {
  readonly #writer: StreamWriter<Item>;
  readonly #shares = new InboxShares();
  readonly #inboxes = boundedCache<string, InboxState>(MAX_CACHED);

  constructor(
    private readonly db: Database,
    positions: StreamPositions,
    bus: Bus,
    private readonly store: ToDeviceStore,
    private readonly ops: AccountOps,
    private readonly clock: Clock,
  ) {
    this.#writer = new StreamWriter<Item>(
      'to_device', db, positions, bus, (tx, items) => this.#write(tx, items), (item) => (item.type === 'message' ? [item.message.userId] : []),
    );
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.store.forgetConsumed(this.clock.now());
  }

  /** Stores messages for existing devices; copies of messages that are here or were received are dropped. */
  async put(messages: readonly DeviceMessage[], options: { readonly isReplica?: boolean } = {}): Promise<void> {
    const { isReplica = false } = options;
    await Promise.all(
      messages.map(async (message) => {
        const inbox = this.#inbox(message.userId, message.deviceId);
        inbox.writing++;
        inbox.mayHold = true;
        try {
          await this.#writer.submit({ type: 'message', message, isReplica });
        } finally {
          inbox.writing--;
          inbox.received++;
        }
      }),
    );
  }

  /**
   * JSON texts of the messages with `from < pos <= to`, oldest first, and up to where they are all there.
   *
   * @param withIds whether each has its `io.partyline.id`
   */
  async messages(
    userId: string, deviceId: string, { from, to, withIds, limit = PAGE }: { from: number; to: number; withIds: boolean; limit?: number },
  ): Promise<{ events: string[]; pos: number }> {
    if (from >= to || !this.#inbox(userId, deviceId).mayHold) return { events: [], pos: to };
    const rows = await this.store.page(userId, deviceId, from, to, Math.min(limit, PAGE));
    const events = rows.map((row) => (withIds ? `{"io.partyline.id":"${toDeviceId(row)}",${row.json.slice(1)}` : row.json));
    return { events, pos: rows.length < Math.min(limit, PAGE) ? to : rows.at(-1)!.pos };
  }

  /**
   * Takes away what a device got at another home before it came here (protocol §5), now or when it comes.
   *
   * @param ids `io.partyline.id` of the messages, at most 1,000
   */
  async received(userId: string, deviceId: string, ids: readonly string[]): Promise<void> {
    const wanted = new Set(ids);
    const keys: MessageKey[] = [];
    // Read before the stream's one writer has its turn, which then looks at what came since only.
    let scanned = 0;
    for (let isMore = true; isMore && wanted.size > 0;) {
      const rows = await this.store.page(userId, deviceId, scanned, Number.MAX_SAFE_INTEGER, PAGE);
      for (const row of rows) if (wanted.delete(toDeviceId(row))) keys.push(row);
      scanned = rows.at(-1)?.pos ?? scanned;
      isMore = rows.length === PAGE;
    }
    if (ids.length > 0) await this.#writer.submit({ type: 'received', userId, deviceId, keys, ids: wanted, scanned, isReplica: false });
  }

  /** A message that its device received at another home, which says so. */
  async consumed(key: MessageKey): Promise<void> {
    const { userId, deviceId } = key;
    await this.#writer.submit({ type: 'received', userId, deviceId, keys: [key], ids: new Set(), scanned: 0, isReplica: true });
  }

  /** False when nothing certainly waits for the device. */
  mayHold(userId: string, deviceId: string): boolean {
    return this.#inbox(userId, deviceId).mayHold;
  }

  /** Deletes what a device has received: everything up to the position. Costs no query while nothing waits. */
  async acknowledge(userId: string, deviceId: string, upTo: number): Promise<void> {
    const inbox = this.#inbox(userId, deviceId);
    if (!inbox.mayHold) return;
    const { received } = inbox;
    await this.db.transaction(async (tx) => {
      const gone = await this.store.acknowledge(tx, userId, deviceId, upTo, this.clock.now() + this.#memory(userId));
      if (gone.length > 0) await this.ops.record(tx, userId, gone.map(consumedOp));
    });
    const isEmpty = !(await this.store.hasAny(userId, deviceId));
    if (isEmpty && inbox.writing === 0 && inbox.received === received) inbox.mayHold = false;
  }

  #memory(userId: string): number {
    return this.ops.hasLog(userId) ? SEEN_MEMORY_MS : CONSUMED_MEMORY_MS;
  }

  #inbox(userId: string, deviceId: string): InboxState {
    const key = `${userId}\0${deviceId}`;
    let inbox = this.#inboxes.get(key);
    if (!inbox) {
      inbox = { mayHold: true, writing: 0, received: 0, sinceTrim: TRIM_EVERY };
      this.#inboxes.set(key, inbox);
    }
    return inbox;
  }

  async #write(tx: Transaction, items: readonly Positioned<Item>[]): Promise<void> {
    const ops = new Map<string, AccountChange[]>();
    const note = (userId: string, op: AccountChange) => ops.set(userId, [...(ops.get(userId) ?? []), op]);
    const messages = items.flatMap(({ item, pos }) => (item.type === 'message' ? [{ ...item, pos }] : []));
    if (messages.length > 0) await this.#store(tx, messages, note);
    for (const { item } of items) if (item.type === 'received') await this.#take(tx, item, note);
    await this.ops.recordAll(tx, ops);
  }

  async #store(tx: Transaction, items: readonly (NewMessage & { pos: number })[], note: NoteOp): Promise<void> {
    const known = new Set((await this.store.known(tx, items.map(({ message }) => message))).map(nameOf));
    const fresh = items.filter(({ message }) => {
      const name = nameOf(message);
      return !known.has(name) && known.add(name);
    });
    const received = await this.#dropReceived(tx, fresh.map(({ message }) => message));
    const kept = fresh.filter(({ message }) => !received.has(message));
    await this.store.insert(tx, kept.map(({ message, pos }) => ({ ...message, pos })));
    tx.afterCommit(() => {
      // Also where nobody waits any more: whoever asked meanwhile may have found the inbox empty.
      for (const { message } of kept) {
        const inbox = this.#inbox(message.userId, message.deviceId);
        inbox.mayHold = true;
        inbox.received++;
      }
    });
    const full = new Map<string, DeviceMessage>();
    const due = new Map<string, DeviceMessage>();
    for (const { message, isReplica } of kept) {
      const inbox = this.#inbox(message.userId, message.deviceId);
      if (++inbox.sinceTrim > TRIM_EVERY) {
        inbox.sinceTrim = 0;
        full.set(`${message.userId}\0${message.deviceId}`, message);
      }
      if (this.#shares.isDue(message, Buffer.byteLength(message.json))) due.set(`${message.userId}\0${message.deviceId}\0${message.sender}`, message);
      if (!isReplica) note(message.userId, messageOp(message));
    }
    if (due.size > 0) await this.store.trimSenders(tx, [...due.values()], MAX_BYTES_OF_SENDER, MAX_MESSAGES_OF_SENDER);
    if (full.size > 0) await this.store.trim(tx, [...full.values()], MAX_WAITING);
    for (const message of received) note(message.userId, consumedOp(message));
  }

  /** Of messages that come for the first time those that their device got at another home: they count as received at once. */
  async #dropReceived(tx: Transaction, messages: readonly DeviceMessage[]): Promise<ReadonlySet<DeviceMessage>> {
    const seen = messages.length === 0 ? [] : await this.store.seen(tx, messages);
    if (seen.length === 0) return new Set();
    const ids = new Map(seen.map((one) => [JSON.stringify([one.userId, one.deviceId, one.id]), one]));
    const idOf = (message: DeviceMessage) => JSON.stringify([message.userId, message.deviceId, toDeviceId(message)]);
    const received = messages.filter((message) => ids.has(idOf(message)));
    if (received.length === 0) return new Set();
    await this.store.consume(tx, received, this.clock.now() + SEEN_MEMORY_MS);
    await this.store.deleteSeen(tx, received.map((message) => ids.get(idOf(message))!));
    return new Set(received);
  }

  async #take(tx: Transaction, { userId, deviceId, keys, ids, scanned, isReplica }: Received, note: NoteOp): Promise<void> {
    const late = ids.size === 0 ? [] : await this.store.page(userId, deviceId, scanned, Number.MAX_SAFE_INTEGER, MAX_WAITING, tx);
    const byId = new Map(late.map((row) => [toDeviceId(row), row]));
    const here = [...keys, ...[...ids].flatMap((id) => byId.get(id) ?? [])];
    const now = this.clock.now();
    if (here.length > 0) await this.store.consume(tx, here, now + SEEN_MEMORY_MS);
    if (!isReplica) for (const key of here) note(userId, consumedOp(key));
    const missing = [...ids].filter((id) => !byId.has(id));
    if (missing.length > 0) await this.store.addSeen(tx, userId, deviceId, missing, now + SEEN_MEMORY_MS, MAX_SEEN);
  }
}

/** The operation that tells other homes of a message. The value is JSON text: it may hold numbers that canonical JSON lacks. */
export function messageOp(message: DeviceMessage): AccountChange {
  return { kind: 'to_device', key: opKey(message), value: message.json };
}

function consumedOp(key: MessageKey): AccountChange {
  return { kind: 'to_device_consumed', key: opKey(key), value: true };
}

function opKey({ sender, messageId, deviceId }: MessageKey): string {
  return JSON.stringify([sender, messageId, deviceId]);
}

function nameOf({ userId, deviceId, sender, messageId }: MessageKey): string {
  return JSON.stringify([userId, deviceId, sender, messageId]);
}
