import { Injectable } from '@nestjs/common';
import { statement, type Transaction } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';
import type { RoomCommit } from '../pipeline/room-commit.js';
import { relationOf } from './relation-of.js';

const insert = new RowInserter(
  'event_relations.insert',
  'event_relations',
  ['room_nid', 'parent_id', 'pos', 'rel_type', 'event_nid', 'event_id', 'sender', 'type', 'origin_server_ts', 'key', 'replaces'],
  'ON CONFLICT DO NOTHING',
);
const remove = statement(
  'event_relations.delete',
  `DELETE FROM event_relations r USING unnest($1::bigint[], $2::text[], $3::text[]) AS d (room_nid, parent_id, event_id)
   WHERE r.room_nid = d.room_nid AND r.parent_id = d.parent_id AND r.event_id = d.event_id`,
);
const upsertThreads = new RowInserter(
  'threads.upsert',
  'threads',
  ['room_nid', 'root_id', 'latest_pos'],
  // History that comes later may hold older replies.
  'ON CONFLICT (room_nid, root_id) DO UPDATE SET latest_pos = greatest(threads.latest_pos, excluded.latest_pos)',
);
const renewThreads = statement(
  'threads.renew',
  `WITH n AS (
     SELECT d.room_nid, d.root_id, (
       SELECT max(r.pos) FROM event_relations r WHERE r.room_nid = d.room_nid AND r.parent_id = d.root_id AND r.rel_type = 'm.thread') AS pos
     FROM unnest($1::bigint[], $2::text[]) AS d (room_nid, root_id)),
   ended AS (DELETE FROM threads t USING n WHERE t.room_nid = n.room_nid AND t.root_id = n.root_id AND n.pos IS NULL)
   UPDATE threads t SET latest_pos = n.pos FROM n WHERE t.room_nid = n.room_nid AND t.root_id = n.root_id AND n.pos IS NOT NULL`,
);

/** An event that relates to none any more. */
export interface EndedRelation {
  readonly roomNid: number;
  readonly parentId: string;
  readonly eventId: string;
}

/** Writes which event relates to which, with the events. */
@Injectable()
export class RelationRowsStore {
  /** In the transaction that stores the events, which are written already: two statements for all, none where nothing relates. */
  async write(tx: Transaction, commits: readonly RoomCommit[]): Promise<void> {
    const rows: unknown[][] = [];
    const threads = new Map<string, [number, string, number]>();
    const ended: EndedRelation[] = [];
    for (const { roomNid, events, redactions } of commits) {
      for (const { event: { pdu, eventId }, pos, nid } of events) {
        const relation = pos === null ? undefined : relationOf(pdu);
        if (pos === null || !relation) continue;
        const { parentId, relType, key, replaces } = relation;
        rows.push([roomNid, parentId, pos, relType, nid, eventId, pdu.sender, pdu.type, pdu.origin_server_ts, key, replaces]);
        const thread = `${roomNid} ${parentId}`;
        if (relType === 'm.thread') threads.set(thread, [roomNid, parentId, Math.max(pos, threads.get(thread)?.[2] ?? -Infinity)]);
      }
      for (const { targetId, parentId } of redactions) if (parentId !== null) ended.push({ roomNid, parentId, eventId: targetId });
    }
    await insert.insert(tx, rows);
    await upsertThreads.insert(tx, [...threads.values()]);
    // A redacted event relates to nothing: that is in what a redaction takes away.
    await this.end(tx, ended);
  }

  /** Forgets what events said of others. */
  async end(tx: Transaction, ended: readonly EndedRelation[]): Promise<void> {
    if (ended.length === 0) return;
    const [rooms, parents] = [ended.map(({ roomNid }) => roomNid), ended.map(({ parentId }) => parentId)];
    await tx.write(remove, [rooms, parents, ended.map(({ eventId }) => eventId)]);
    await tx.write(renewThreads, [rooms, parents]);
  }
}

/** Events beside which there may be something else to tell after the commit; of annotations nothing is told. */
export function relatedBy(commit: RoomCommit): string[] {
  const related = new Set<string>();
  for (const { event, pos } of commit.events) {
    const relation = pos === null ? undefined : relationOf(event.pdu);
    if (relation && relation.relType !== 'm.annotation') related.add(relation.parentId);
  }
  for (const { parentId } of commit.redactions) if (parentId !== null) related.add(parentId);
  return [...related];
}
