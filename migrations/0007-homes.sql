-- Accounts with several homes: their records, the keys that this server holds for them, the log of their data.

-- The highest home record of every account that this server has heard of, own and foreign. Never deleted: it pins the genesis.
CREATE TABLE account_records (
  user_id text PRIMARY KEY,          -- account, wherever it is served
  record text NOT NULL,              -- canonical JSON of the home record
  is_endorsed boolean NOT NULL,      -- the genesis is proven: by the name itself or by the domain; else it is good only until a proven one comes
  is_equivocal boolean NOT NULL DEFAULT false, -- the account key has signed two records of one epoch and seq
  updated_ts bigint NOT NULL         -- milliseconds
);

-- The key by which this server signs an account's events in portable rooms. Kept when the account leaves, for its return.
CREATE TABLE home_keys (
  user_id text PRIMARY KEY,          -- account that this server serves, or has offered to serve
  key_id text NOT NULL,              -- name of the key in the record
  seed bytea NOT NULL,               -- 32 bytes of the private key
  created_ts bigint NOT NULL         -- milliseconds
);

-- Private keys of accounts whose clients know nothing of home records, until a client takes them over.
CREATE TABLE custody_keys (
  user_id text PRIMARY KEY,          -- account
  account_seed bytea NOT NULL,       -- 32 bytes of the account key
  recovery_seed bytea NOT NULL       -- 32 bytes of the recovery key
);

-- Accounts that are moving in here: what is still to be fetched from their other homes.
CREATE TABLE account_arrivals (
  user_id text PRIMARY KEY,          -- account on this server
  sources text[] NOT NULL,           -- homes that can list its rooms and give its data
  is_listed boolean NOT NULL,        -- one of them has done so, or there is none
  started_ts bigint NOT NULL         -- milliseconds
);

-- The rooms of such accounts. Kept after they are ready, for showing how far the move is.
CREATE TABLE account_arrival_rooms (
  user_id text NOT NULL,             -- account on this server
  room_id text NOT NULL,             -- room in which it is joined
  via text[] NOT NULL,               -- servers that hold the room
  is_ready boolean NOT NULL DEFAULT false, -- this server holds the room, and has told the others so in the account's name
  attempts integer NOT NULL DEFAULT 0, -- failures so far
  retry_at bigint NOT NULL DEFAULT 0, -- milliseconds; not tried again before
  error text,                        -- why the last attempt failed
  PRIMARY KEY (user_id, room_id)
);
CREATE INDEX account_arrival_rooms_open ON account_arrival_rooms (retry_at) WHERE NOT is_ready;

-- The operation log of accounts with several homes (protocol §4).
CREATE TABLE account_ops (
  user_id text NOT NULL,             -- account
  home text NOT NULL,                -- server that made the operation
  n bigint NOT NULL,                 -- 1, 2, 3… per account and home, without gaps
  hlc text NOT NULL,                 -- hybrid logical clock, comparable as text
  kind text NOT NULL,                -- what it is about (accounts/account-ops.ts)
  op_key text NOT NULL,              -- which of the kind
  value text NOT NULL,               -- JSON; null removes
  signature text NOT NULL,           -- by the home's key for the account
  stored_ts bigint NOT NULL,         -- milliseconds; old ones are dropped
  PRIMARY KEY (user_id, home, n)
);
CREATE INDEX account_ops_age ON account_ops (stored_ts);

-- The version vector of each account: the last operation of each home that is known here.
CREATE TABLE account_op_heads (
  user_id text NOT NULL,             -- account
  home text NOT NULL,                -- server that makes operations
  n bigint NOT NULL,                 -- number of its last one
  PRIMARY KEY (user_id, home)
);

-- Which operation won, per item of the kinds where the last writer does.
CREATE TABLE account_op_winners (
  user_id text NOT NULL,             -- account
  kind text NOT NULL,                -- as in account_ops
  op_key text NOT NULL,              -- as in account_ops
  hlc text NOT NULL,                 -- of the winner
  home text NOT NULL,                -- of the winner
  is_removed boolean NOT NULL,       -- a tombstone; dropped with the operation
  PRIMARY KEY (user_id, kind, op_key)
);

-- How far each other home has this server's operations.
CREATE TABLE account_op_acks (
  user_id text NOT NULL,             -- account
  destination text NOT NULL,         -- other home
  n bigint NOT NULL,                 -- it has this server's operations up to here
  PRIMARY KEY (user_id, destination)
);

-- Where clients go on that came from another home (protocol §5); short-lived.
CREATE TABLE resume_points (
  resume_id text PRIMARY KEY,        -- in the token
  user_id text NOT NULL,             -- account
  cursor text NOT NULL,              -- JSON of positions, and per room a position and the events to leave out
  created_ts bigint NOT NULL         -- milliseconds
);
CREATE INDEX resume_points_user ON resume_points (user_id, created_ts);
