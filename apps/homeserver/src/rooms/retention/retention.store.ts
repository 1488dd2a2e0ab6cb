import { Injectable } from '@nestjs/common';
import { canonicalJson, redactPdu, roomEventFromJson, roomVersion, wirePdu, type JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { relationOf } from '../relations/relation-of.js';
import { RelationRowsStore } from '../relations/relation-rows.store.js';
import { Database, longStatement, statement } from '../../storage/database.js';

/** A room of which messages may expire. */
export interface RetentionRoom {
  readonly roomNid: number;
  readonly roomId: string;
  readonly version: string;
  /** Of its `m.room.retention`. */
  readonly content: JsonObject | undefined;
  /** Time of its oldest message that is there still; null when there is none. */
  readonly oldest: number | null;
}

/** What may expire: messages; state makes the room, and redactions go on keeping back what they name. */
const expirable = `pos IS NOT NULL AND NOT is_purged AND state_key IS NULL AND type <> 'm.room.redaction' AND status = 0`;
const rooms = (kind: 'named' | 'all') => longStatement(
  `retention.rooms_${kind}`,
  `SELECT r.room_nid, r.room_id, r.version, p.json, (SELECT e.origin_server_ts FROM events e WHERE e.room_nid = r.room_nid AND ${expirable} ORDER BY e.origin_server_ts LIMIT 1) AS oldest
   FROM rooms r ${kind === 'all' ? 'LEFT' : ''} JOIN current_state c ON c.room_nid = r.room_nid AND c.type = 'm.room.retention' AND c.state_key = '' LEFT JOIN events p ON p.event_nid = c.event_nid
   WHERE r.state_nid IS NOT NULL`,
);
const namedRooms = rooms('named');
const allRooms = rooms('all');
const expired = statement(
  'retention.expired',
  `SELECT event_nid, event_id, json FROM events WHERE room_nid = $1 AND origin_server_ts <= $2 AND ${expirable} ORDER BY origin_server_ts LIMIT $3`,
);
const purge = statement(
  'retention.purge',
  'UPDATE events e SET json = p.json, is_purged = true FROM unnest($1::bigint[], $2::text[]) AS p (event_nid, json) WHERE e.event_nid = p.event_nid',
);
const forgetWords = statement('retention.forget_words', 'DELETE FROM search_index WHERE event_nid = ANY ($1)');

/** Reads and purges messages that have expired. */
@Injectable()
export class RetentionStore {
  constructor(
    private readonly db: Database,
    private readonly relations: RelationRowsStore,
  ) {}

  /** @param areAll also of rooms that say nothing */
  async rooms(areAll: boolean): Promise<RetentionRoom[]> {
    const rows = await this.db.query<{ room_nid: number; room_id: string; version: string; json: string | null; oldest: number | null }>(areAll ? allRooms : namedRooms);
    return rows.map((row) => ({
      roomNid: row.room_nid, roomId: row.room_id, version: row.version, oldest: row.oldest,
      content: row.json === null ? undefined : (parseStoredJson(row.json) as { content: JsonObject }).content,
    }));
  }

  /**
   * Purges the oldest messages up to a time: what is left of each is what a redaction would leave, by which the room's graph and all signatures stay
   * what they are. Nothing shows it any more.
   *
   * @returns ids of what was purged, and of what it was related to
   */
  async purge({ roomNid, roomId, version }: RetentionRoom, upTo: number, limit: number): Promise<{ purged: string[]; related: string[] }> {
    const rules = roomVersion(version);
    const rows = await this.db.query<{ event_nid: number; event_id: string; json: string }>(expired, [roomNid, upTo, limit]);
    if (!rules || rows.length === 0) return { purged: [], related: [] };
    const events = rows.map((row) => roomEventFromJson(row.json, row.event_id, roomId));
    const texts = events.map((event) => canonicalJson(redactPdu(wirePdu(event, rules), rules)));
    const ended = events.flatMap(({ eventId, pdu }) => {
      const relation = relationOf(pdu);
      return relation ? [{ roomNid, parentId: relation.parentId, eventId }] : [];
    });
    const nids = rows.map((row) => row.event_nid);
    await this.db.transaction(async (tx) => {
      await tx.write(purge, [nids, texts]);
      await tx.write(forgetWords, [nids]);
      await this.relations.end(tx, ended);
    });
    return { purged: rows.map((row) => row.event_id), related: ended.map(({ parentId }) => parentId) };
  }
}
