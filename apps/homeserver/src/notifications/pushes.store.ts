import { Injectable } from '@nestjs/common';
import type { PusherName } from '../push/pushers/pusher-content.js';
import { Database, statement, type Transaction } from '../storage/database.js';
import { retryPause } from '../storage/due-rows.js';
import { RowInserter } from '../storage/insert-rows.js';

/** Of one pusher that cannot be reached: the newest ones. */
const MAX_WAITING = 100;
/** After that nobody wants to be told any more. */
const MAX_AGE_MS = 24 * 3_600_000;
const FIRST_RETRY_MS = 1_000;

/** A notification that waits for one pusher. */
export interface NewPush extends PusherName {
  readonly userId: string;
  readonly eventId: string;
  readonly roomId: string;
  readonly pos: number | null;
  readonly threadId: string;
  /** JSON object. */
  readonly notification: string;
  /** JSON object. */
  readonly tweaks: string;
  /** Milliseconds, by the wall clock. */
  readonly madeTs: number;
  /** Milliseconds, by the steady clock. */
  readonly dueTs: number;
}

/** The same, in its place. */
export interface Push extends NewPush {
  readonly nid: number;
  /** Whether the event was redacted meanwhile, or is kept no longer. */
  readonly isRedacted: boolean;
}

interface Row {
  push_nid: number; user_id: string; app_id: string; pushkey: string; event_id: string; room_id: string; pos: number | null; thread_id: string;
  notification: string; tweaks: string; made_ts: number; due_ts: number; is_redacted: boolean;
}

const inserter = new RowInserter(
  'pushes.add', 'pushes',
  ['user_id', 'app_id', 'pushkey', 'event_id', 'room_id', 'pos', 'thread_id', 'notification', 'tweaks', 'made_ts', 'due_ts'], 'ON CONFLICT DO NOTHING',
);
const keys = 'unnest($1::text[], $2::text[], $3::text[])';
// One that is being tried again keeps its pause.
const noteDue = statement(
  'pushers.note_due',
  `UPDATE pushers p SET due_ts = least(coalesce(p.due_ts, k.due_ts), k.due_ts) FROM (
     SELECT user_id, app_id, pushkey, min(due_ts) AS due_ts FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS k (user_id, app_id, pushkey, due_ts)
     GROUP BY user_id, app_id, pushkey) k
   WHERE p.user_id = k.user_id AND p.app_id = k.app_id AND p.pushkey = k.pushkey AND (p.attempts = 0 OR p.due_ts IS NULL)`,
);
const surplus = `SELECT push_nid FROM (
     SELECT push_nid, made_ts, row_number() OVER (PARTITION BY user_id, app_id, pushkey ORDER BY push_nid DESC) AS place FROM pushes
     WHERE (user_id, app_id, pushkey) IN (SELECT * FROM ${keys})) q WHERE place > ${MAX_WAITING} OR made_ts < $4::bigint - ${MAX_AGE_MS}`;
const prune = statement('pushes.prune', `DELETE FROM pushes WHERE push_nid IN (${surplus})`);
const due = statement(
  'pushers.due', 'SELECT user_id, app_id, pushkey FROM pushers WHERE due_ts <= $1 AND is_active ORDER BY due_ts LIMIT $2',
);
const next = statement('pushers.next_due', 'SELECT min(due_ts) AS at FROM pushers WHERE due_ts > $1 AND is_active');
const first = statement(
  'pushes.first',
  `SELECT p.*, EXISTS (SELECT 1 FROM events e JOIN rooms r USING (room_nid) WHERE e.event_id = p.event_id AND r.room_id = p.room_id AND (e.redacted_by IS NOT NULL OR e.is_purged)) AS is_redacted
   FROM pushes p WHERE user_id = $1 AND app_id = $2 AND pushkey = $3 AND due_ts <= $4 ORDER BY push_nid LIMIT $5`,
);
const lock = statement('pushers.lock', 'SELECT attempts FROM pushers WHERE user_id = $1 AND app_id = $2 AND pushkey = $3 FOR UPDATE');
const remove = statement('pushes.remove', 'DELETE FROM pushes WHERE push_nid = ANY($1)');
const removeTold = statement('pushes.remove_told', 'DELETE FROM pushes WHERE user_id = $1 AND app_id = $2 AND pushkey = $3 AND event_id = ANY($4)');
const hold = statement(
  'pushes.hold', 'UPDATE pushes SET due_ts = greatest(due_ts, $4) WHERE user_id = $1 AND app_id = $2 AND pushkey = $3',
);
const goOn = statement(
  'pushers.go_on',
  `UPDATE pushers SET attempts = 0, due_ts = (SELECT min(due_ts) FROM pushes WHERE user_id = $1 AND app_id = $2 AND pushkey = $3)
   WHERE user_id = $1 AND app_id = $2 AND pushkey = $3`,
);
const failed = statement(
  'pushers.failed',
  `UPDATE pushers SET attempts = attempts + 1, due_ts = $4::bigint + ${retryPause(FIRST_RETRY_MS)} WHERE user_id = $1 AND app_id = $2 AND pushkey = $3
   RETURNING due_ts`,
);
// The clock of the process before may have been ahead.
const resumePushes = statement('pushes.resume', 'UPDATE pushes SET due_ts = $1 WHERE due_ts > $1');
const resumePushers = statement('pushers.resume', 'UPDATE pushers SET due_ts = $1 WHERE due_ts > $1');
const progress = statement('push_progress.get', 'SELECT pos FROM push_progress');
const advance = statement('push_progress.set', 'UPDATE push_progress SET pos = greatest(pos, $1)');
const invitations = statement(
  'pushes.invitations',
  `SELECT m.user_id, r.room_id, m.room_nid FROM local_memberships m JOIN rooms r USING (room_nid) WHERE m.membership = 'invite' AND m.pos > $1 ORDER BY m.pos DESC LIMIT $2`,
);
const changedRooms = statement(
  'push_progress.changed_rooms', 'SELECT room_nid, room_id FROM rooms WHERE last_pos > $1 AND state_nid IS NOT NULL ORDER BY last_pos DESC LIMIT $2',
);

type PusherKey = PusherName & { readonly userId: string };

/** What waits to be pushed, and how far events were looked at for that. */
@Injectable()
export class PushesStore {
  constructor(private readonly db: Database) {}

  /** @param pos up to where all events are looked at with these */
  async add(pushes: readonly NewPush[], pos: number, now: number): Promise<void> {
    await this.db.transaction(async (tx) => {
      await inserter.insert(tx, pushes.map((one) => [
        one.userId, one.appId, one.pushkey, one.eventId, one.roomId, one.pos, one.threadId, one.notification, one.tweaks, one.madeTs, one.dueTs,
      ]));
      await tx.write(noteDue, [...columns(pushes), pushes.map((one) => one.dueTs)]);
      await tx.write(prune, [...columns(pushes), now]);
      await tx.write(advance, [pos]);
    });
  }

  async progress(): Promise<number | null> {
    return (await this.db.query<{ pos: number | null }>(progress))[0]!.pos;
  }

  async advance(pos: number): Promise<void> {
    await this.db.write(advance, [pos]);
  }

  /** Invitations that came after a position, the newest. */
  async invitationsSince(pos: number, limit: number): Promise<{ userId: string; roomId: string; roomNid: number }[]> {
    const rows = await this.db.query<{ user_id: string; room_id: string; room_nid: number }>(invitations, [pos, limit]);
    return rows.map((row) => ({ userId: row.user_id, roomId: row.room_id, roomNid: row.room_nid }));
  }

  /** Rooms with events after a position, those of the newest. */
  async roomsSince(pos: number, limit: number): Promise<{ roomId: string; roomNid: number }[]> {
    const rows = await this.db.query<{ room_id: string; room_nid: number }>(changedRooms, [pos, limit]);
    return rows.map((row) => ({ roomId: row.room_id, roomNid: row.room_nid }));
  }

  /** After a start: nothing waits longer than so. */
  async resume(latest: { push: number; pusher: number }): Promise<void> {
    await this.db.write(resumePushes, [latest.push]);
    await this.db.write(resumePushers, [latest.pusher]);
  }

  /** Pushers that have something to send, longest due first. */
  async due(now: number, limit: number): Promise<PusherKey[]> {
    const rows = await this.db.query<{ user_id: string; app_id: string; pushkey: string }>(due, [now, limit]);
    return rows.map((row) => ({ userId: row.user_id, appId: row.app_id, pushkey: row.pushkey }));
  }

  /** When the next one is due after that; null for never. */
  async next(now: number): Promise<number | null> {
    return (await this.db.query<{ at: number | null }>(next, [now]))[0]!.at;
  }

  async first(pusher: PusherKey, now: number, limit: number): Promise<Push[]> {
    const rows = await this.db.query<Row & Record<string, unknown>>(first, [...values(pusher), now, limit]);
    return rows.map((row) => ({
      nid: row.push_nid, userId: row.user_id, appId: row.app_id, pushkey: row.pushkey, eventId: row.event_id, roomId: row.room_id, pos: row.pos,
      threadId: row.thread_id, notification: row.notification, tweaks: row.tweaks, madeTs: row.made_ts, dueTs: row.due_ts,
      isRedacted: row.is_redacted,
    }));
  }

  /** These are done with; the pusher goes on with what is left. */
  async done(tx: Transaction, pusher: PusherKey, nids: readonly number[]): Promise<void> {
    // What comes meanwhile waits for this row, and is counted by whoever has it last.
    await tx.query(lock, values(pusher));
    await tx.write(remove, [nids]);
    await tx.write(goOn, values(pusher));
  }

  /** Another home has pushed these. */
  async doneElsewhere(pusher: PusherKey, eventIds: readonly string[]): Promise<void> {
    await this.db.transaction(async (tx) => {
      const [row] = await tx.query<{ attempts: number }>(lock, values(pusher));
      await tx.write(removeTold, [...values(pusher), eventIds]);
      if (row) await tx.write(goOn, values(pusher));
    });
  }

  /** Another home tries, until then. */
  async hold(pusher: PusherKey, until: number): Promise<void> {
    await this.db.transaction(async (tx) => {
      const [row] = await tx.query<{ attempts: number }>(lock, values(pusher));
      await tx.write(hold, [...values(pusher), until]);
      if (row) await tx.write(goOn, values(pusher));
    });
  }

  /** @returns when it is tried again; undefined when the pusher is gone */
  async failed(tx: Transaction, pusher: PusherKey, now: { wall: number; steady: number }): Promise<number | undefined> {
    await tx.query(lock, values(pusher));
    await tx.write(prune, [...columns([pusher]), now.wall]);
    return (await tx.query<{ due_ts: number }>(failed, [...values(pusher), now.steady]))[0]?.due_ts;
  }
}

function values({ userId, appId, pushkey }: PusherKey): string[] {
  return [userId, appId, pushkey];
}

function columns(list: readonly PusherKey[]): string[][] {
  return [list.map((one) => one.userId), list.map((one) => one.appId), list.map((one) => one.pushkey)];
}
