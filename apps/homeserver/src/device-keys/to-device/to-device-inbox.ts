import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { type AccountChange, AccountOps } from '../../accounts/account-ops.js';
import { Bus } from '../../bus/bus.js';
import { Clock } from '../../observability/clock.js';
import { Database, type Transaction } from '../../storage/database.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { type Positioned, StreamWriter } from '../../storage/stream-writer.js';
import { type DeviceMessage, type MessageKey, ToDeviceStore } from './to-device.store.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Messages that wait for one device; beyond, the oldest are dropped: such a device is dead. */
const MAX_WAITING = 20_000;
/** A device's inbox is measured after so many messages. */
const TRIM_EVERY = 500;
/** Messages in one sync. */
const PAGE = 100;
const MAX_CACHED = 100_000;
/** How long received messages are remembered: the sender's client or server repeats a request within that time. */
const CONSUMED_MEMORY_MS = 7 * 24 * 3_600_000;

interface Item {
  readonly message: DeviceMessage;
  /** Whether it came from another home of the account, which knows it already. */
  readonly isReplica: boolean;
}

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
      'to_device', db, positions, bus, (tx, items) => this.#write(tx, items), ({ message }) => [message.userId],
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
          await this.#writer.submit({ message, isReplica });
        } finally {
          inbox.writing--;
          inbox.received++;
        }
      }),
    );
  }

  /** JSON texts of the messages with `from < pos <= to`, oldest first, and up to where they are all there. */
  async messages(userId: string, deviceId: string, from: number, to: number): Promise<{ events: string[]; pos: number }> {
    if (from >= to || !this.#inbox(userId, deviceId).mayHold) return { events: [], pos: to };
    const rows = await this.store.page(userId, deviceId, from, to, PAGE);
    return { events: rows.map((row) => row.json), pos: rows.length < PAGE ? to : rows.at(-1)!.pos };
  }

  /** Deletes what a device has received: everything up to the position. Costs no query while nothing waits. */
  async acknowledge(userId: string, deviceId: string, upTo: number): Promise<void> {
    const inbox = this.#inbox(userId, deviceId);
    if (!inbox.mayHold) return;
    const { received } = inbox;
    await this.db.transaction(async (tx) => {
      const gone = await this.store.acknowledge(tx, userId, deviceId, upTo, this.clock.now() + CONSUMED_MEMORY_MS);
      if (gone.length > 0) await this.ops.record(tx, userId, gone.map(consumedOp));
    });
    const isEmpty = !(await this.store.hasAny(userId, deviceId));
    if (isEmpty && inbox.writing === 0 && inbox.received === received) inbox.mayHold = false;
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
    const known = new Set((await this.store.known(tx, items.map(({ item }) => item.message))).map(nameOf));
    const fresh = items.filter(({ item: { message } }) => {
      const name = nameOf(message);
      return !known.has(name) && known.add(name);
    });
    await this.store.insert(tx, fresh.map(({ item, pos }) => ({ ...item.message, pos })));
    const full = new Map<string, DeviceMessage>();
    const ops = new Map<string, AccountChange[]>();
    for (const { item: { message, isReplica } } of fresh) {
      const inbox = this.#inbox(message.userId, message.deviceId);
      if (++inbox.sinceTrim > TRIM_EVERY) {
        inbox.sinceTrim = 0;
        full.set(`${message.userId}\0${message.deviceId}`, message);
      }
      if (!isReplica) ops.set(message.userId, [...(ops.get(message.userId) ?? []), messageOp(message)]);
    }
    if (full.size > 0) await this.store.trim(tx, [...full.values()], MAX_WAITING);
    await this.ops.recordAll(tx, ops);
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
