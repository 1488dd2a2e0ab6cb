import { Injectable } from '@nestjs/common';
import { stateKeyOf } from '#federation';
import { statement, type Statement, type Transaction } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';
import { membershipOf } from '../state/room-state.js';
import type { RoomCommit } from './room-commit.js';
import { boundedCache } from '../../storage/bounded-cache.js';

const insertRooms = new RowInserter(
  'rooms.insert',
  'rooms',
  ['room_nid', 'room_id', 'version', 'state_nid', 'extremities', 'last_pos'],
  // The row may be there from an invitation to the room.
  `ON CONFLICT (room_nid) DO UPDATE SET state_nid = excluded.state_nid, extremities = excluded.extremities,
   last_pos = excluded.last_pos`,
);
const insertEvents = new RowInserter(
  'events.insert',
  'events',
  [
    'event_nid', 'event_id', 'room_nid', 'pos', 'depth', 'type', 'state_key', 'sender', 'origin_server_ts', 'state_nid',
    'status', 'is_own', 'txn', 'device_id', 'client_txn', 'json',
  ],
);
const insertSnapshots = new RowInserter('snapshots.insert', 'state_snapshots', ['state_nid', 'room_nid', 'parent_nid', 'layers']);
const insertEntries = new RowInserter('snapshot_entries.insert', 'state_snapshot_entries', ['state_nid', 'key_nid', 'event_nid']);
const insertKeys = new RowInserter(
  'state_keys.insert', 'state_keys', ['type', 'state_key'], 'ON CONFLICT (type, state_key) DO NOTHING',
);
const upsertState = new RowInserter(
  'current_state.upsert',
  'current_state',
  ['room_nid', 'type', 'state_key', 'event_nid', 'membership'],
  'ON CONFLICT (room_nid, type, state_key) DO UPDATE SET event_nid = excluded.event_nid, membership = excluded.membership',
);
const insertDeltas = new RowInserter(
  'state_deltas.insert',
  'state_deltas',
  ['room_nid', 'pos', 'type', 'state_key', 'event_nid', 'previous_nid'],
);
const upsertMemberships = new RowInserter(
  'local_memberships.upsert',
  'local_memberships',
  ['user_id', 'room_nid', 'membership', 'event_nid', 'pos', 'here_pos', 'sender', 'stripped_state', 'via', 'forgotten'],
  `ON CONFLICT (user_id, room_nid) DO UPDATE SET membership = excluded.membership, event_nid = excluded.event_nid,
   pos = excluded.pos, sender = excluded.sender, stripped_state = excluded.stripped_state, via = excluded.via, forgotten = false,
   here_pos = CASE WHEN local_memberships.membership = 'join' AND excluded.membership = 'join' THEN local_memberships.here_pos ELSE excluded.here_pos END`,
);
const insertMissing = new RowInserter(
  'backward_extremities.insert', 'backward_extremities', ['room_nid', 'event_id', 'child_depth', 'child_pos'],
  // It is before all events that name it.
  'ON CONFLICT (room_nid, event_id) DO UPDATE SET child_pos = LEAST(backward_extremities.child_pos, excluded.child_pos)',
);
const insertPending = new RowInserter(
  'pending_redactions.insert', 'pending_redactions', ['room_nid', 'target_id', 'event_id'], 'ON CONFLICT DO NOTHING',
);
const insertStretches = new RowInserter('search_stretches.insert', 'search_stretches', ['room_nid', 'after_pos', 'up_to_pos']);
const selectKeys = statement(
  'state_keys.select',
  `SELECT k.key_nid, k.type, k.state_key FROM state_keys k
   JOIN unnest($1::text[], $2::text[]) AS w (type, state_key) ON k.type = w.type AND k.state_key = w.state_key`,
);
const updateOutlier = statement(
  'events.update_outlier',
  `UPDATE events SET pos = $2, state_nid = $3, status = $4, txn = $5 WHERE event_nid = $1`,
);
const deleteState = statement(
  'current_state.delete',
  `DELETE FROM current_state c USING unnest($1::bigint[], $2::text[], $3::text[]) AS d (room_nid, type, state_key)
   WHERE c.room_nid = d.room_nid AND c.type = d.type AND c.state_key = d.state_key`,
);
const redact = statement(
  'events.redact',
  'UPDATE events SET json = $3, redacted_by = $4 WHERE room_nid = $1 AND event_id = $2 AND redacted_by IS NULL',
);
const deletePending = statement(
  'pending_redactions.delete',
  `DELETE FROM pending_redactions p USING unnest($1::bigint[], $2::text[]) AS d (room_nid, target_id)
   WHERE p.room_nid = d.room_nid AND p.target_id = d.target_id`,
);
const deleteMissing = statement(
  'backward_extremities.delete',
  `DELETE FROM backward_extremities b USING unnest($1::bigint[], $2::text[]) AS d (room_nid, event_id)
   WHERE b.room_nid = d.room_nid AND b.event_id = d.event_id`,
);

/** The statements of a commit. Each method takes all commits of the batch, so that their number does not grow with it. */
@Injectable()
export class CommitStore {
  readonly #keyNids = boundedCache<string, number>(50_000);
  readonly #roomUpdates = new Map<number, Statement>();

  async rooms(tx: Transaction, commits: readonly RoomCommit[], ends: readonly number[]): Promise<void> {
    const created: unknown[][] = [];
    const updates = new Map<number, unknown[]>();
    for (const [i, commit] of commits.entries()) {
      if (commit.created) {
        created.push([commit.roomNid, commit.roomId, commit.created.version, commit.stateNid, commit.extremities, ends[i]]);
        continue;
      }
      // A later commit of the batch for the same room replaces the earlier one's values.
      updates.set(commit.roomNid, [commit.roomNid, commit.stateNid, `{${commit.extremities.join(',')}}`, ends[i]]);
    }
    await insertRooms.insert(tx, created);
    const rows = [...updates.values()];
    for (let start = 0; start < rows.length; ) {
      const size = Math.min(256, 2 ** Math.floor(Math.log2(rows.length - start)));
      await tx.write(this.#updateRooms(size), rows.slice(start, start + size).flat());
      start += size;
    }
  }

  #updateRooms(size: number): Statement {
    let update = this.#roomUpdates.get(size);
    if (!update) {
      const row = (i: number) => `($${4 * i + 1}::bigint,$${4 * i + 2}::bigint,$${4 * i + 3}::bigint[],$${4 * i + 4}::bigint)`;
      update = statement(
        `rooms.update.${size}`,
        `UPDATE rooms r SET state_nid = v.state_nid, extremities = v.extremities, last_pos = v.last_pos
         FROM (VALUES ${Array.from({ length: size }, (_, i) => row(i)).join(',')}) AS v (room_nid, state_nid, extremities, last_pos)
         WHERE r.room_nid = v.room_nid`,
      );
      this.#roomUpdates.set(size, update);
    }
    return update;
  }

  async events(tx: Transaction, commits: readonly RoomCommit[]): Promise<void> {
    const rows: unknown[][] = [];
    for (const commit of commits) {
      for (const item of commit.events) {
        const { pdu, eventId, json } = item.event;
        if (item.wasOutlier) {
          await tx.write(updateOutlier, [item.nid, item.pos, item.stateNid, item.status, item.txn]);
          continue;
        }
        rows.push([
          item.nid, eventId, commit.roomNid, item.pos, pdu.depth, pdu.type, pdu.state_key ?? null, pdu.sender,
          pdu.origin_server_ts, item.stateNid, item.status, item.isOwn, item.txn, item.deviceId, item.clientTxn, json,
        ]);
      }
    }
    await insertEvents.insert(tx, rows);
  }

  /** Numeric ids of state keys (`stateKeyOf`), made where they are new. */
  async keyNids(tx: Transaction, keys: ReadonlySet<string>): Promise<Map<string, number>> {
    const nids = new Map<string, number>();
    const unknown: [string, string][] = [];
    for (const key of keys) {
      const nid = this.#keyNids.get(key);
      if (nid !== undefined) nids.set(key, nid);
      else unknown.push(key.split('\u0000', 2) as [string, string]);
    }
    if (unknown.length === 0) return nids;
    await insertKeys.insert(tx, unknown);
    const rows = await tx.query<{ key_nid: number; type: string; state_key: string }>(selectKeys, [
      unknown.map(([type]) => type),
      unknown.map(([, stateKey]) => stateKey),
    ]);
    for (const row of rows) nids.set(stateKeyOf(row.type, row.state_key), row.key_nid);
    return nids;
  }

  /** Called after the commit with ids that are now certain. */
  remember(nids: ReadonlyMap<string, number>): void {
    for (const [key, nid] of nids) this.#keyNids.set(key, nid);
  }

  async snapshots(tx: Transaction, commits: readonly RoomCommit[], keyNids: ReadonlyMap<string, number>): Promise<void> {
    const snapshots: unknown[][] = [];
    const entries: unknown[][] = [];
    for (const commit of commits) {
      for (const snapshot of commit.snapshots) {
        snapshots.push([snapshot.nid, commit.roomNid, snapshot.parentNid, snapshot.layers]);
        for (const [key, eventNid] of snapshot.entries) entries.push([snapshot.nid, keyNids.get(key), eventNid]);
      }
    }
    await insertSnapshots.insert(tx, snapshots);
    await insertEntries.insert(tx, entries);
  }

  async currentState(tx: Transaction, commits: readonly RoomCommit[]): Promise<void> {
    const state = new Map<string, unknown[]>();
    const removed = new Map<string, [number, string, string]>();
    const deltas: unknown[][] = [];
    for (const commit of commits) {
      for (const { type, stateKey, entry, previous, at } of commit.stateChanges) {
        const key = `${commit.roomNid}\u0000${stateKeyOf(type, stateKey)}`;
        state.delete(key);
        removed.delete(key);
        if (entry) {
          const membership = type === 'm.room.member' ? (membershipOf(entry.event) ?? null) : null;
          state.set(key, [commit.roomNid, type, stateKey, entry.nid, membership]);
        } else removed.set(key, [commit.roomNid, type, stateKey]);
        deltas.push([commit.roomNid, at.pos, type, stateKey, entry?.nid ?? null, previous?.nid ?? null]);
      }
    }
    if (removed.size > 0) {
      const rows = [...removed.values()];
      await tx.write(deleteState, [rows.map((r) => r[0]), rows.map((r) => r[1]), rows.map((r) => r[2])]);
    }
    await upsertState.insert(tx, [...state.values()]);
    await insertDeltas.insert(tx, deltas);
  }

  async localMemberships(tx: Transaction, commits: readonly RoomCommit[], ends: readonly number[]): Promise<void> {
    const rows = new Map<string, unknown[]>();
    for (const [i, commit] of commits.entries()) {
      for (const item of commit.localMemberships) {
        rows.set(`${item.userId}\u0000${commit.roomNid}`, [
          item.userId, commit.roomNid, item.membership, item.eventNid, ends[i], ends[i], item.sender, item.strippedState, item.via ?? null, false,
        ]);
      }
    }
    await upsertMemberships.insert(tx, [...rows.values()]);
  }

  async redactions(tx: Transaction, commits: readonly RoomCommit[]): Promise<void> {
    const doneRooms: number[] = [];
    const done: string[] = [];
    const pending: unknown[][] = [];
    for (const commit of commits) {
      for (const { targetId, redactedJson, redactionId } of commit.redactions) {
        await tx.write(redact, [commit.roomNid, targetId, redactedJson, redactionId]);
        doneRooms.push(commit.roomNid);
        done.push(targetId);
      }
      for (const { targetId, eventId } of commit.pendingRedactions) pending.push([commit.roomNid, targetId, eventId]);
    }
    if (done.length > 0) await tx.query(deletePending, [doneRooms, done]);
    await insertPending.insert(tx, pending);
  }

  async backwardExtremities(tx: Transaction, commits: readonly RoomCommit[]): Promise<void> {
    const missing = new Map<string, unknown[]>();
    const foundRooms: number[] = [];
    const found: string[] = [];
    for (const commit of commits) {
      for (const { eventId, child } of commit.missing) {
        // What only a rejected or soft-failed event names, no timeline lacks.
        if (child.pos === null) continue;
        const key = `${commit.roomNid} ${eventId}`;
        const before = missing.get(key);
        if (!before || (before[3] as number) > child.pos) missing.set(key, [commit.roomNid, eventId, child.event.pdu.depth, child.pos]);
      }
      for (const eventId of commit.found) {
        foundRooms.push(commit.roomNid);
        found.push(eventId);
      }
    }
    await insertMissing.insert(tx, [...missing.values()]);
    if (found.length > 0) await tx.query(deleteMissing, [foundRooms, found]);
  }

  /** Has the search index look at history, which comes to places that it has passed. */
  async stretches(tx: Transaction, commits: readonly RoomCommit[]): Promise<void> {
    const stretches: unknown[][] = [];
    for (const { roomNid, events } of commits) {
      const places = events.flatMap((event) => (event.inTimeline || event.pos === null ? [] : event.pos));
      if (places.length > 0) stretches.push([roomNid, Math.min(...places) - 1, Math.max(...places)]);
    }
    await insertStretches.insert(tx, stretches);
  }
}
