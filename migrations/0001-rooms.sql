-- Numbers, rooms, events and room state.

CREATE TABLE sequences (
  name text PRIMARY KEY,       -- stream or id that is numbered
  reserved bigint NOT NULL     -- highest number that the running process may hand out (storage/stream-positions.ts)
);

CREATE TABLE rooms (
  room_nid bigint PRIMARY KEY,                    -- numeric id, in every other table
  room_id text NOT NULL UNIQUE,                   -- Matrix room id
  version text NOT NULL,                          -- room version; rooms of unknown versions are never stored
  state_nid bigint,                               -- snapshot that equals the current state; NULL while this server holds only outliers (an invite from elsewhere)
  extremities bigint[] NOT NULL DEFAULT '{}',     -- event_nids of the forward extremities
  last_pos bigint NOT NULL DEFAULT 0,             -- position of the newest timeline event
  is_public boolean NOT NULL DEFAULT false        -- listed in this server's room directory
) WITH (fillfactor = 50);

CREATE TABLE events (
  event_nid bigint PRIMARY KEY,      -- numeric id
  event_id text NOT NULL UNIQUE,     -- Matrix event id
  room_nid bigint NOT NULL,          -- room
  pos bigint,                        -- position in the timeline = in the `events` stream; negative for backfilled history (older = lower); NULL when not in the timeline
  depth bigint NOT NULL,             -- as in the event; orders history together with pos
  type text NOT NULL,                -- event type
  state_key text,                    -- state key; NULL for message events
  sender text NOT NULL,              -- user id
  origin_server_ts bigint NOT NULL,  -- milliseconds, as the sender's server says
  state_nid bigint,                  -- snapshot of the state before the event; NULL for outliers
  status smallint NOT NULL,          -- 0 accepted, 1 soft-failed, 2 rejected, 3 outlier (known, but its place in the graph is not)
  is_own boolean NOT NULL,           -- made by this server, which therefore sends it on
  txn text,                          -- once-only key of the request that made it (protocol §6); NULL where a first event with it is already here
  device_id text,                    -- device of this server's user that sent it
  client_txn text,                   -- transaction id that the device used (unsigned.transaction_id)
  json text NOT NULL,                -- canonical JSON as signed, without unsigned; after a redaction the redacted form
  redacted_by text                   -- event id of the redaction that was applied
);
CREATE UNIQUE INDEX events_timeline ON events (room_nid, pos) WHERE pos IS NOT NULL;
CREATE UNIQUE INDEX events_txn ON events (room_nid, sender, txn) WHERE txn IS NOT NULL;

-- Events (prev_events) that this server has heard of and does not hold: where history can be fetched further back.
CREATE TABLE backward_extremities (
  room_nid bigint NOT NULL,          -- room
  event_id text NOT NULL,            -- missing event
  child_depth bigint NOT NULL,       -- depth of the event that names it
  child_pos bigint NOT NULL,         -- position of that event: what is missing belongs right below it
  PRIMARY KEY (room_nid, event_id)
);

-- Redactions that arrived before what they redact.
CREATE TABLE pending_redactions (
  room_nid bigint NOT NULL,          -- room
  target_id text NOT NULL,           -- event id to be redacted
  event_id text NOT NULL,            -- the redaction
  PRIMARY KEY (room_nid, target_id, event_id)
);

CREATE TABLE state_keys (
  key_nid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- numeric id of the pair
  type text NOT NULL,                -- event type
  state_key text NOT NULL,           -- state key
  UNIQUE (type, state_key)
);

-- A state: the parent's with the entries laid over it. Chains are merged when they grow beyond four layers.
CREATE TABLE state_snapshots (
  state_nid bigint PRIMARY KEY,      -- numeric id
  room_nid bigint NOT NULL,          -- room
  parent_nid bigint,                 -- snapshot below; NULL for a full one
  layers smallint NOT NULL           -- 1 for a full one, else the parent's + 1
);

CREATE TABLE state_snapshot_entries (
  state_nid bigint NOT NULL,         -- snapshot
  key_nid bigint NOT NULL,           -- which state
  event_nid bigint,                  -- its event; NULL removes the parent's
  PRIMARY KEY (state_nid, key_nid)
);

CREATE TABLE current_state (
  room_nid bigint NOT NULL,          -- room
  type text NOT NULL,                -- event type
  state_key text NOT NULL,           -- state key
  event_nid bigint NOT NULL,         -- the state event
  membership text,                   -- content.membership of m.room.member events
  PRIMARY KEY (room_nid, type, state_key)
);
CREATE INDEX current_state_members ON current_state (state_key, membership) WHERE type = 'm.room.member';

-- Every change of a room's current state, also those that came from state resolution.
CREATE TABLE state_deltas (
  room_nid bigint NOT NULL,          -- room
  pos bigint NOT NULL,               -- position of the timeline event at which the change was seen
  type text NOT NULL,                -- event type
  state_key text NOT NULL,           -- state key
  event_nid bigint,                  -- new state event; NULL when the state was removed
  previous_nid bigint,               -- the one before; NULL when there was none
  PRIMARY KEY (room_nid, pos, type, state_key)
);

-- Rooms of the accounts on this server, with invitations and knocks to rooms that this server does not hold.
CREATE TABLE local_memberships (
  user_id text NOT NULL,             -- account on this server
  room_nid bigint NOT NULL,          -- room
  membership text NOT NULL,          -- join, invite, leave, ban or knock
  event_nid bigint NOT NULL,         -- the member event
  pos bigint NOT NULL,               -- position in the `events` stream at which it took effect
  sender text NOT NULL,              -- who caused it
  forgotten boolean NOT NULL DEFAULT false, -- the user forgot the room
  stripped_state text,               -- JSON array of stripped state, for invites and knocks
  PRIMARY KEY (user_id, room_nid)
);
CREATE INDEX local_memberships_room ON local_memberships (room_nid);

CREATE TABLE room_aliases (
  alias text PRIMARY KEY,            -- alias of this server
  room_nid bigint NOT NULL,          -- room
  creator text NOT NULL              -- who made it
);
CREATE INDEX room_aliases_room ON room_aliases (room_nid);
