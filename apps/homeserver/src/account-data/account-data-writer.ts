import { Injectable } from '@nestjs/common';
import { type AccountChange, AccountOps } from '../accounts/account-ops.js';
import { Bus } from '../bus/bus.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Database, type Transaction } from '../storage/database.js';
import { StreamPositions } from '../storage/stream-positions.js';
import { type Positioned, StreamWriter } from '../storage/stream-writer.js';
import { type AccountDataKey, type AccountDataSize, AccountDataStore } from './account-data.store.js';

/** What one account may hold over all rooms: all of it may have to go into one answer of /sync. */
const MAX_ENTRIES = 50_000;
const MAX_BYTES = 10 * 1024 * 1024;
/** Each home lets its clients write up to the bound; together they may come to more. */
const REPLICA_SHARE = 2;

/** A change of one entry. */
export interface AccountDataChange extends AccountDataKey {
  /**
   * The new content from the present one (JSON texts; null where nothing is set). Runs in the order of the stream, so that
   * changes of parts do not lose each other. What it throws is what `submit` rejects with.
   */
  readonly change: (present: string | null) => string;
  /** What other homes of the account are told of the new content; nothing for what came from there. */
  readonly ops: (json: string) => readonly AccountChange[];
  /** Another home of the account has taken it already. */
  readonly isReplica?: boolean;
}

type ChangeListener = (key: AccountDataKey) => void;

/** The one writer of the `account` stream: account data, tags, push rules, read markers. */
@Injectable()
export class AccountDataWriter {
  readonly #writer: StreamWriter<AccountDataChange>;
  readonly #listeners = new Set<ChangeListener>();

  constructor(
    db: Database,
    positions: StreamPositions,
    bus: Bus,
    private readonly store: AccountDataStore,
    private readonly ops: AccountOps,
  ) {
    this.#writer = new StreamWriter<AccountDataChange>(
      'account', db, positions, bus, (tx, items) => this.#write(tx, items), (item) => [item.userId],
    );
  }

  /** Stores the change and wakes the account's syncs; resolves with its position. */
  submit(change: AccountDataChange): Promise<number> {
    return this.#writer.submit(change);
  }

  /**
   * Sets an entry, recorded for the account's other homes.
   *
   * @param roomId empty for data of the whole account
   * @param json text of the content, an object; the caller has bounded it
   */
  set(userId: string, roomId: string, type: string, json: string): Promise<number> {
    return this.submit({ userId, roomId, type, change: () => json, ops: () => [accountDataOp(roomId, type, json)] });
  }

  /** Called after a change is committed. */
  onChanged(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #write(tx: Transaction, items: readonly Positioned<AccountDataChange>[]): Promise<void> {
    tx.afterCommit(() => {
      for (const { item } of items) for (const listener of this.#listeners) listener(item);
    });
    const present = new Map((await this.store.getMany(tx, items.map(({ item }) => item))).map((entry) => [keyOf(entry), entry.json]));
    const written = new Map<string, AccountDataKey & { json: string; pos: number }>();
    const ops = new Map<string, AccountChange[]>();
    const growth = new Map<string, AccountDataSize & { isReplica: boolean }>();
    for (const { item, pos } of items) {
      const key = keyOf(item);
      const before = present.get(key) ?? null;
      const json = item.change(before);
      if (json === before) continue;
      const grown = growth.get(item.userId) ?? { bytes: 0, entries: 0, isReplica: true };
      const bytes = before === null ? sizeOf(item, json) : Buffer.byteLength(json) - Buffer.byteLength(before);
      growth.set(item.userId, { bytes: grown.bytes + bytes, entries: grown.entries + (before === null ? 1 : 0), isReplica: grown.isReplica && item.isReplica === true });
      present.set(key, json);
      written.set(key, { userId: item.userId, roomId: item.roomId, type: item.type, json, pos });
      const changes = ops.get(item.userId) ?? [];
      changes.push(...item.ops(json));
      ops.set(item.userId, changes);
    }
    await this.store.upsert(tx, [...written.values()]);
    for (const [userId, { bytes, entries }] of growth.size === 0 ? [] : await this.store.grow(tx, growth)) {
      const grown = growth.get(userId)!;
      const share = grown.isReplica ? REPLICA_SHARE : 1;
      const isFull = (grown.bytes > 0 && bytes > share * MAX_BYTES) || (grown.entries > 0 && entries > share * MAX_ENTRIES);
      if (isFull) throw MatrixError.tooLarge(`This account holds too much account data: ${MAX_BYTES} bytes and ${MAX_ENTRIES} entries is the most`);
    }
    await this.ops.recordAll(tx, ops);
  }
}

/** The operation that tells other homes of an entry. The value is JSON text: contents may hold numbers that canonical JSON lacks. */
export function accountDataOp(roomId: string, type: string, json: string): AccountChange {
  return roomId === ''
    ? { kind: 'account_data', key: type, value: json }
    : { kind: 'room_account_data', key: JSON.stringify([roomId, type]), value: json };
}

function sizeOf({ roomId, type }: AccountDataKey, json: string): number {
  return Buffer.byteLength(json) + Buffer.byteLength(type) + Buffer.byteLength(roomId);
}

function keyOf({ userId, roomId, type }: AccountDataKey): string {
  return `${userId}\0${roomId}\0${type}`;
}
