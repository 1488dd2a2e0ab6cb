import { Injectable } from '@nestjs/common';
import { canonicalJson } from '#federation';
import { Clock } from '../../observability/clock.js';
import type { Transaction } from '../../storage/database.js';
import { ServerKeys } from '../keys/server-keys.js';
import { Outbox } from './outbox.js';
import { OutboxStore } from './outbox.store.js';

export interface Edu {
  readonly edu_type: string;
  readonly content: object;
}

/** Sends EDUs to other servers. */
@Injectable()
export class EduOutbox {
  constructor(
    private readonly outbox: Outbox,
    private readonly store: OutboxStore,
    private readonly keys: ServerKeys,
    private readonly clock: Clock,
  ) {}

  /** Best effort, in order: for what the next one replaces anyway (typing, receipts). Dropped while the destination is away. */
  send(destination: string, edu: Edu): void {
    this.outbox.addVolatileEdu(destination, text(edu));
  }

  /**
   * Stores the EDU with the caller's transaction; it is delivered at least once, in order per destination, unless the
   * destination is away for 30 days.
   *
   * @param options.key a later EDU of the same key replaces this one while it waits
   */
  async sendReliable(
    tx: Transaction, destinations: Iterable<string>, edu: Edu, options: { key?: string } = {},
  ): Promise<void> {
    const others = [...new Set(destinations)].filter((destination) => destination !== this.keys.serverName);
    if (others.length === 0) return;
    await this.store.addEdus(tx, others, options.key ?? null, text(edu), this.clock.now());
    this.outbox.storedEdusWritten(others);
    tx.afterCommit(() => this.outbox.storedEdusAdded(others));
  }
}

function text({ edu_type, content }: Edu): string {
  return canonicalJson({ edu_type, content });
}
