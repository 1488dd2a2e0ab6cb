import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../../storage/database.js';
import { retryPause } from '../../storage/due-rows.js';

/** An account whose rooms are being told is nobody else's for so long. */
const LEASE_MS = 10 * 60_000;

const put = statement(
  'room_telling.put',
  `INSERT INTO record_room_tellings (user_id, due_at, is_urgent) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE
   SET due_at = least(record_room_tellings.due_at, $2), is_urgent = record_room_tellings.is_urgent OR $3, attempts = 0`,
);
const claim = statement(
  'room_telling.claim',
  `UPDATE record_room_tellings t SET due_at = $1::bigint + ${LEASE_MS} FROM (
     SELECT user_id, due_at FROM record_room_tellings WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
   ) due WHERE t.user_id = due.user_id RETURNING t.user_id, t.due_at, t.is_urgent, t.paid_until`,
);
const begun = statement('room_telling.begun', 'UPDATE record_room_tellings SET paid_until = $2 WHERE user_id = $1');
const done = statement(
  'room_telling.done',
  'UPDATE record_room_tellings SET due_at = NULL, is_urgent = false, attempts = 0 WHERE user_id = $1 AND due_at = $2',
);
const postpone = statement('room_telling.postpone', 'UPDATE record_room_tellings SET due_at = $3 WHERE user_id = $1 AND due_at = $2');
const failed = statement(
  'room_telling.failed',
  `UPDATE record_room_tellings SET attempts = attempts + 1, due_at = $3::bigint + ${retryPause(1_000)} WHERE user_id = $1 AND due_at = $2`,
);
const release = statement('room_telling.release', 'UPDATE record_room_tellings SET due_at = 0 WHERE due_at IS NOT NULL');
const next = statement('room_telling.next', 'SELECT min(due_at) AS at FROM record_room_tellings');
const forget = statement('room_telling.forget', 'DELETE FROM record_room_tellings WHERE user_id = $1');

/** An account whose rooms are to be told; `due` is the place in the table that `done`, `postpone` and `failed` are about. */
export interface RoomTelling {
  readonly userId: string;
  readonly due: number;
  readonly isUrgent: boolean;
  /** Milliseconds; how far the tellings so far have used up the account's share. */
  readonly paidUntil: number;
}

/** The table `record_room_tellings`. */
@Injectable()
export class RoomTellingsStore {
  constructor(private readonly db: Database) {}

  /** What is due earlier, or urgent, stays so. */
  async put(db: Queryable, userId: string, due: number, isUrgent: boolean): Promise<void> {
    await db.write(put, [userId, due, isUrgent]);
  }

  async claim(now: number, limit: number): Promise<RoomTelling[]> {
    const rows = await this.db.query<{ user_id: string; due_at: number; is_urgent: boolean; paid_until: number }>(claim, [now, limit]);
    return rows.map((row) => ({ userId: row.user_id, due: row.due_at, isUrgent: row.is_urgent, paidUntil: row.paid_until }));
  }

  /** Rooms are about to be told. */
  async begun({ userId }: RoomTelling, paidUntil: number): Promise<void> {
    await this.db.query(begun, [userId, paidUntil]);
  }

  async done({ userId, due }: RoomTelling): Promise<void> {
    await this.db.query(done, [userId, due]);
  }

  async postpone({ userId, due }: RoomTelling, until: number): Promise<void> {
    await this.db.query(postpone, [userId, due, until]);
  }

  async failed({ userId, due }: RoomTelling, now: number): Promise<void> {
    await this.db.query(failed, [userId, due, now]);
  }

  /** After a start nobody works on anything, and what waited is worth a try. */
  async release(): Promise<void> {
    await this.db.query(release);
  }

  async next(): Promise<number | null> {
    return (await this.db.query<{ at: number | null }>(next))[0]?.at ?? null;
  }

  async forget(userId: string): Promise<void> {
    await this.db.query(forget, [userId]);
  }
}
