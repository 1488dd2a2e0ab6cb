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

/** Writes which event relates to which, with the events. */
@Injectable()
export class RelationRowsStore {
  /** In the transaction that stores the events, which are written already: one statement for all, none where nothing relates. */
  async write(tx: Transaction, commits: readonly RoomCommit[]): Promise<void> {
    const rows: unknown[][] = [];
    const undone: [number, string, string][] = [];
    for (const commit of commits) {
      for (const { event: { pdu, eventId }, pos, nid } of commit.events) {
        const relation = pos === null ? undefined : relationOf(pdu);
        if (!relation) continue;
        const { parentId, relType, key, replaces } = relation;
        rows.push([commit.roomNid, parentId, pos, relType, nid, eventId, pdu.sender, pdu.type, pdu.origin_server_ts, key, replaces]);
      }
      for (const { targetId, parentId } of commit.redactions) if (parentId !== null) undone.push([commit.roomNid, parentId, targetId]);
    }
    await insert.insert(tx, rows);
    // A redacted event relates to nothing: that is in what a redaction takes away.
    if (undone.length > 0) await tx.write(remove, [0, 1, 2].map((column) => undone.map((row) => row[column])));
  }
}

/** Events of which more or fewer events are related to them after the commit. */
export function relatedBy(commit: RoomCommit): string[] {
  const related = new Set<string>();
  for (const { event, pos } of commit.events) {
    const relation = pos === null ? undefined : relationOf(event.pdu);
    if (relation) related.add(relation.parentId);
  }
  for (const { parentId } of commit.redactions) if (parentId !== null) related.add(parentId);
  return [...related];
}
