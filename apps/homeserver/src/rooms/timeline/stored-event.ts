import { roomEventFromJson, type RoomEvent } from '#federation';

/** What became of an event here. */
export const EventStatus = {
  accepted: 0,
  /** Allowed where it stands in the graph, but not by the room's current state (Server-Server, "Soft failure"). */
  softFailed: 1,
  rejected: 2,
  /** Known as a part of somebody's state or auth chain; its place in the graph is not. */
  outlier: 3,
} as const;
export type EventStatus = (typeof EventStatus)[keyof typeof EventStatus];

/** An event with what this server keeps beside it. */
export interface StoredEvent {
  readonly nid: number;
  readonly event: RoomEvent;
  /** Position in the timeline; negative for backfilled history, null when not in the timeline. */
  readonly pos: number | null;
  readonly depth: number;
  readonly type: string;
  readonly stateKey: string | null;
  readonly sender: string;
  readonly originServerTs: number;
  /** Snapshot of the state before the event; null for outliers. */
  readonly stateNid: number | null;
  readonly status: EventStatus;
  readonly isOwn: boolean;
  /** Device of this server's user that sent it, and the transaction id that it used. */
  readonly deviceId: string | null;
  readonly clientTxn: string | null;
  readonly redactedBy: string | null;
}

/** A row of `events` (alias `e`) joined with `rooms` (alias `r`). */
export interface StoredEventRow {
  event_nid: number;
  event_id: string;
  room_id: string;
  pos: number | null;
  depth: number;
  type: string;
  state_key: string | null;
  sender: string;
  origin_server_ts: number;
  state_nid: number | null;
  status: EventStatus;
  is_own: boolean;
  device_id: string | null;
  client_txn: string | null;
  json: string;
  redacted_by: string | null;
}

/** Column list for `FROM events e JOIN rooms r USING (room_nid)`. */
export const storedEventColumns =
  'e.event_nid, e.event_id, r.room_id, e.pos, e.depth, e.type, e.state_key, e.sender, e.origin_server_ts, e.state_nid, ' +
  'e.status, e.is_own, e.device_id, e.client_txn, e.json, e.redacted_by';

export function storedEvent(row: StoredEventRow): StoredEvent {
  return {
    nid: row.event_nid,
    event: roomEventFromJson(row.json, row.event_id, row.room_id),
    pos: row.pos,
    depth: row.depth,
    type: row.type,
    stateKey: row.state_key,
    sender: row.sender,
    originServerTs: row.origin_server_ts,
    stateNid: row.state_nid,
    status: row.status,
    isOwn: row.is_own,
    deviceId: row.device_id,
    clientTxn: row.client_txn,
    redactedBy: row.redacted_by,
  };
}
