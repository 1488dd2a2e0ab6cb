import { Injectable } from '@nestjs/common';
import { Bus } from '../../bus/bus.js';
import { type Edu, EduOutbox } from '../../federation/outbox/edu-outbox.js';
import { Database, type Transaction } from '../../storage/database.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { type Positioned, StreamWriter } from '../../storage/stream-writer.js';
import { DeviceListStore } from './device-list.store.js';

/** A change of a user's devices or keys, with everything that is committed together with it. */
export interface DeviceListChange {
  readonly userId: string;
  /** The only account that sees the change; empty for all who share a room. */
  readonly audience: string;
  /** Accounts on this server to wake. */
  readonly wake: Iterable<string>;
  /** Stores the change itself. What it throws is what `submit` rejects with, and nothing is stored. */
  readonly store?: (tx: Transaction) => Promise<void>;
  /** What other servers are told; called after `store`, in its transaction, with the position of the change. */
  readonly announce?: {
    readonly destinations: Iterable<string>;
    readonly edu: (tx: Transaction, pos: number) => Promise<Edu>;
  };
}

/** The one writer of the `device_lists` stream. */
@Injectable()
export class DeviceListWriter {
  readonly #writer: StreamWriter<DeviceListChange>;

  constructor(
    db: Database,
    positions: StreamPositions,
    bus: Bus,
    private readonly store: DeviceListStore,
    private readonly outbox: EduOutbox,
  ) {
    this.#writer = new StreamWriter<DeviceListChange>(
      'device_lists', db, positions, bus, (tx, items) => this.#write(tx, items), (change) => change.wake,
    );
  }

  /** Resolves after the commit with the position of the change. */
  submit(change: DeviceListChange): Promise<number> {
    return this.#writer.submit(change);
  }

  async #write(tx: Transaction, items: readonly Positioned<DeviceListChange>[]): Promise<void> {
    const entries = new Map<string, { userId: string; audience: string; pos: number }>();
    for (const { item, pos } of items) {
      const { userId, audience, store, announce } = item;
      await store?.(tx);
      entries.set(`${userId}\0${audience}`, { userId, audience, pos });
      if (announce) await this.outbox.sendReliable(tx, announce.destinations, await announce.edu(tx, pos));
    }
    await this.store.put(tx, [...entries.values()]);
  }
}
