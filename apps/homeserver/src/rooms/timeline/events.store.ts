import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import { Database, statement } from '../../storage/database.js';
import { storedEvent, storedEventColumns, type StoredEvent, type StoredEventRow } from './stored-event.js';

const from = `SELECT ${storedEventColumns} FROM events e JOIN rooms r USING (room_nid)`;
const byIds = statement('events.by_ids', `${from} WHERE e.event_id = ANY($2) AND r.room_id = $1`);
const elsewhere = statement('events.elsewhere', 'SELECT e.event_id FROM events e JOIN rooms r USING (room_nid) WHERE e.event_id = ANY($2) AND r.room_id <> $1');
const roomOf = statement('events.room_of', 'SELECT r.room_id FROM events e JOIN rooms r USING (room_nid) WHERE e.event_id = $1');
const byNids = statement('events.by_nids', `${from} WHERE e.event_nid = ANY($1)`);
const byTxn = statement(
  'events.by_txn',
  `${from} WHERE r.room_id = $1 AND e.sender = $2 AND e.txn = ANY($3)`,
);
const firstAfter = statement(
  'events.room_range',
  `${from} WHERE r.room_id = $1 AND e.pos > $2 AND e.pos <= $3 ORDER BY e.pos LIMIT $4`,
);

const below = statement(
  'events.below',
  `${from} WHERE r.room_id = $1 AND e.pos < $2 ORDER BY e.pos DESC LIMIT $3`,
);

const lastAt = statement('events.last_at', `${from} WHERE r.room_id = $1 AND e.pos <= $2 ORDER BY e.pos DESC LIMIT 1`);
const isMissing = statement(
  'events.is_missing',
  'SELECT 1 FROM backward_extremities b JOIN rooms r USING (room_nid) WHERE r.room_id = $1 AND b.event_id = $2',
);
const pendingRedactions = statement(
  'events.pending_redactions',
  `${from} JOIN pending_redactions p ON p.event_id = e.event_id AND p.room_nid = e.room_nid WHERE p.room_nid = $1 AND p.target_id = $2`,
);

/**
 * Events and what their auth events lead to, as far as $4 go: what is in the text is cut out of it, since JSON functions refuse texts that the
 * database lacks a character for. Who writes another `auth_events` before his own is followed in vain: this only reads ahead.
 */
const chainOf = statement(
  'events.chain_of',
  `WITH RECURSIVE chain (event_id) AS (
     SELECT unnest($2::text[])
     UNION
     SELECT cited.found[1] FROM chain c
     JOIN events e ON e.event_id = c.event_id AND e.room_nid = (SELECT room_nid FROM rooms WHERE room_id = $1)
     CROSS JOIN LATERAL regexp_matches(substring(e.json FROM '"auth_events":\\[(.*?)\\],"'), '"(\\$[^"\\\\]+)"', 'g') AS cited (found)
     WHERE cited.found[1] <> ALL ($3::text[])
   )
   SELECT ${storedEventColumns} FROM (SELECT event_id FROM chain LIMIT $4) c JOIN events e USING (event_id) JOIN rooms r USING (room_nid) WHERE r.room_id = $1`,
);

/** Events of an auth chain that one query reads. */
const CHAIN_AT_ONCE = 500;
/** Events of an auth chain that are not at hand; a longer one is a fault or an attack. */
const MAX_CHAIN_EVENTS = 100_000;

/**
 * Reads events by their ids: always within a room, since an id comes from a request or from an event of somebody else, who may do
 * something in that room and nothing in others.
 */
@Injectable()
export class EventsStore {
  constructor(private readonly db: Database) {}

  /** The known ones among these events of a room, in no particular order. */
  async byIds(roomId: string, eventIds: readonly string[]): Promise<StoredEvent[]> {
    if (eventIds.length === 0) return [];
    return (await this.db.query<StoredEventRow>(byIds, [roomId, eventIds])).map(storedEvent);
  }

  async byId(roomId: string, eventId: string): Promise<StoredEvent | undefined> {
    return (await this.byIds(roomId, [eventId]))[0];
  }

  /** Those of the ids that events of other rooms have. */
  async elsewhere(roomId: string, eventIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.db.query<{ event_id: string }>(elsewhere, [roomId, eventIds]);
    return new Set(rows.map((row) => row.event_id));
  }

  /** The room that an event is in: who asks has still to be let into it. */
  async roomOf(eventId: string): Promise<string | undefined> {
    return (await this.db.query<{ room_id: string }>(roomOf, [eventId]))[0]?.room_id;
  }

  async byNids(nids: readonly number[]): Promise<StoredEvent[]> {
    if (nids.length === 0) return [];
    return (await this.db.query<StoredEventRow>(byNids, [nids])).map(storedEvent);
  }

  /** Events of a sender in a room that came from one of these once-only keys (protocol §6). */
  async byTxn(roomId: string, sender: string, txns: readonly string[]): Promise<StoredEvent[]> {
    return (await this.db.query<StoredEventRow>(byTxn, [roomId, sender, txns])).map(storedEvent);
  }

  /** Timeline events of a room with `after < pos <= to`, oldest first. */
  async range(roomId: string, after: number, to: number, limit: number): Promise<StoredEvent[]> {
    return (await this.db.query<StoredEventRow>(firstAfter, [roomId, after, to, limit])).map(storedEvent);
  }

  /** Timeline events of a room with `pos < before`, newest first. */
  async below(roomId: string, before: number, limit: number): Promise<StoredEvent[]> {
    return (await this.db.query<StoredEventRow>(below, [roomId, before, limit])).map(storedEvent);
  }

  /** The newest timeline event of a room at a position. */
  async lastAt(roomId: string, pos: number): Promise<StoredEvent | undefined> {
    const [row] = await this.db.query<StoredEventRow>(lastAt, [roomId, pos]);
    return row && storedEvent(row);
  }

  /** Accepted redactions of an event that had not arrived before them. */
  async pendingRedactions(roomNid: number, targetId: string): Promise<StoredEvent[]> {
    return (await this.db.query<StoredEventRow>(pendingRedactions, [roomNid, targetId])).map(storedEvent);
  }

  /** Whether an accepted event of the room names this one, which is not here. */
  async isMissing(roomId: string, eventId: string): Promise<boolean> {
    return (await this.db.query(isMissing, [roomId, eventId])).length > 0;
  }

  /**
   * The auth chain of events of a room: they themselves and everything that their `auth_events` lead to, as far as it is known.
   *
   * @param known events that need not be read again
   */
  async authChain(roomId: string, events: Iterable<RoomEvent>, known?: ReadonlyMap<string, RoomEvent>): Promise<Map<string, StoredEvent | RoomEvent>> {
    const chain = new Map<string, StoredEvent | RoomEvent>();
    const ahead = new Map<string, StoredEvent>();
    const asked = new Set<string>();
    const open: RoomEvent[] = [...events];
    for (const event of open) chain.set(event.eventId, event);
    const wanted = new Set<string>();
    for (;;) {
      for (let event = open.pop(); event; event = open.pop()) {
        for (const id of event.pdu.auth_events) {
          if (chain.has(id)) continue;
          const found = known?.get(id) ?? ahead.get(id);
          if (found) {
            chain.set(id, found);
            open.push('nid' in found ? found.event : found);
          } else if (!asked.has(id)) wanted.add(id);
        }
      }
      if (wanted.size === 0) return chain;
      if (ahead.size > MAX_CHAIN_EVENTS) throw new Error('auth chain too long');
      const ids = [...wanted];
      wanted.clear();
      for (const id of ids) asked.add(id);
      const limit = ids.length + CHAIN_AT_ONCE;
      for (const row of await this.db.query<StoredEventRow>(chainOf, [roomId, ids, [...ahead.keys()], limit])) ahead.set(row.event_id, storedEvent(row));
      for (const id of ids) {
        const found = ahead.get(id);
        if (!found || chain.has(id)) continue;
        chain.set(id, found);
        open.push(found.event);
      }
    }
  }
}
