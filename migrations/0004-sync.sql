-- Synchronisation: filters and receipts. Typing lives in memory.

CREATE TABLE filters (
  user_id text NOT NULL,             -- account on this server
  filter_id text NOT NULL,           -- URL-safe hash of the canonical JSON, so that every home gives a filter the same id
  json text NOT NULL,                -- the filter, canonical JSON
  PRIMARY KEY (user_id, filter_id)
);

-- The newest receipt of each user, kind and thread in a room; also of users of other servers.
CREATE TABLE receipts (
  room_nid bigint NOT NULL,          -- room
  user_id text NOT NULL,             -- who read
  type text NOT NULL,                -- m.read or m.read.private
  thread_id text NOT NULL,           -- thread root's event id, main, or empty for an unthreaded receipt
  event_id text NOT NULL,            -- read up to this event
  ts bigint NOT NULL,                -- milliseconds, when it was read
  pos bigint NOT NULL,               -- position in the `receipts` stream
  PRIMARY KEY (room_nid, user_id, type, thread_id)
);
CREATE INDEX receipts_stream ON receipts (room_nid, pos);

-- Finds what changed a user's membership or a room's history visibility, which decide what a user may see.
CREATE INDEX state_deltas_visibility ON state_deltas (room_nid, state_key, pos)
  WHERE type IN ('m.room.member', 'm.room.history_visibility');
