import { Injectable } from '@nestjs/common';
import { IsNull, LessThanOrEqual } from 'typeorm';
import { Database, statement, type Reads } from '../../storage/database.js';
import { isUniqueViolation } from '../../storage/database-errors.js';
import { DelayedEvent } from './delayed-event.entity.js';

const forget = statement(
  'delayed_events.forget',
  `DELETE FROM delayed_events WHERE delay_id IN (
     SELECT delay_id FROM delayed_events WHERE outcome IS NOT NULL AND finalised_ts < $1 LIMIT 1000)`,
);
const forgetOldest = statement(
  'delayed_events.forget_oldest',
  `DELETE FROM delayed_events WHERE delay_id IN (
     SELECT delay_id FROM (
       SELECT delay_id, row_number() OVER newest AS number, sum(octet_length(content)) OVER newest AS bytes
       FROM delayed_events WHERE user_id = $1 AND outcome IS NOT NULL WINDOW newest AS (ORDER BY finalised_ts DESC, delay_id)) kept
     WHERE number > $2 OR bytes > $3)`,
);
const waiting = statement(
  'delayed_events.waiting',
  'SELECT count(*)::int AS number, coalesce(sum(octet_length(content)), 0)::int AS bytes FROM delayed_events WHERE user_id = $1 AND outcome IS NULL',
);
// Somebody's clock was ahead: nothing waits longer than it was to wait.
const resume = statement(
  'delayed_events.resume',
  `UPDATE delayed_events SET running_since = $1, send_at = $1 + delay_ms WHERE outcome IS NULL AND running_since > $1`,
);
const next = statement('delayed_events.next', 'SELECT min(send_at) AS send_at FROM delayed_events WHERE outcome IS NULL AND send_at > $1');
const removeAll = statement('delayed_events.remove_all', 'DELETE FROM delayed_events WHERE user_id = $1');

/** The table `delayed_events`. */
@Injectable()
export class DelayedEventsStore {
  readonly #rows: Reads<DelayedEvent>;

  constructor(private readonly db: Database) {
    this.#rows = db.repository(DelayedEvent);
  }

  find(delayId: string): Promise<DelayedEvent | null> {
    return this.#rows.findOneBy({ delayId });
  }

  byTxn(userId: string, txn: string): Promise<DelayedEvent | null> {
    return this.#rows.findOneBy({ userId, txn });
  }

  /** In the order in which they are to be sent. */
  ofUser(userId: string): Promise<DelayedEvent[]> {
    return this.#rows.find({ where: { userId }, order: { sendAt: 'ASC', delayId: 'ASC' } });
  }

  /** How many wait, and the bytes of their contents. */
  async waiting(userId: string): Promise<{ number: number; bytes: number }> {
    const [row] = await this.db.query<{ number: number; bytes: number }>(waiting, [userId]);
    return row!;
  }

  /** When the account's next one is to be sent; milliseconds since the epoch. */
  async nextOf(userId: string): Promise<number | null> {
    return (await this.#rows.find({ where: { userId, outcome: IsNull() }, order: { sendAt: 'ASC' }, take: 1 }))[0]?.sendAt ?? null;
  }

  due(now: number, limit: number): Promise<DelayedEvent[]> {
    return this.#rows.find({ where: { outcome: IsNull(), sendAt: LessThanOrEqual(now) }, order: { sendAt: 'ASC', delayId: 'ASC' }, take: limit });
  }

  /** When the next one of all is to be sent that is not due yet; null when none waits. */
  async next(now: number): Promise<number | null> {
    const [row] = await this.db.query<{ send_at: number | null }>(next, [now]);
    return row?.send_at ?? null;
  }

  /** @returns false when a request with this transaction id has come before */
  async add(event: DelayedEvent): Promise<boolean> {
    try {
      await this.db.transaction(async (tx) => {
        await tx.repository(DelayedEvent).insert(event);
      });
      return true;
    } catch (error) {
      if (isUniqueViolation(error, 'delayed_events_txn')) return false;
      throw error;
    }
  }

  async restart(delayId: string, runningSince: number, sendAt: number): Promise<void> {
    await this.db.transaction(async (tx) => {
      await tx.repository(DelayedEvent).update({ delayId, outcome: IsNull() }, { runningSince, sendAt });
    });
  }

  /** @param keep finalised ones of the account that are kept: how many, and bytes of their contents */
  async finalise(
    event: DelayedEvent, end: Pick<DelayedEvent, 'outcome' | 'reason' | 'error' | 'eventId' | 'finalisedTs'>, keep: { number: number; bytes: number },
  ): Promise<void> {
    await this.db.transaction(async (tx) => {
      await tx.repository(DelayedEvent).update({ delayId: event.delayId, outcome: IsNull() }, end);
      await tx.write(forgetOldest, [event.userId, keep.number, keep.bytes]);
    });
  }

  async forget(before: number): Promise<void> {
    await this.db.query(forget, [before]);
  }

  async resume(now: number): Promise<void> {
    await this.db.query(resume, [now]);
  }

  async removeAll(userId: string): Promise<void> {
    await this.db.query(removeAll, [userId]);
  }
}
