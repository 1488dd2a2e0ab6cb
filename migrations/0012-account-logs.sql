-- The logs of accounts, version 2 (protocol §4): hash chains bound to home keys. What version 1 had of operations is not carried
-- over: each home writes an operation for every item once more, with the time and the writer that account_op_winners remembers.
DROP TABLE account_ops;
DROP TABLE account_op_heads;
DROP TABLE account_op_acks;

-- The lines of each account's logs: one per log, and one more for each fork.
CREATE TABLE account_logs (
  user_id text NOT NULL,             -- account
  log text NOT NULL,                 -- name of the log, bound to the key
  line integer NOT NULL,             -- 0 for the first line of the log; this server's own numbering
  parent integer,                    -- line that this one leaves; null where the log begins
  from_n bigint NOT NULL,            -- number of the parent's last operation that is an ancestor; 0 at the beginning
  first_hash text NOT NULL,          -- hash of the line's first own operation; empty when a copy skipped it
  beside text,                       -- hash of the operation with which the parent goes on instead
  n bigint NOT NULL,                 -- number of the last operation held
  hash text NOT NULL,                -- hash of it
  counted_n bigint NOT NULL,         -- up to here the line counts, by the record and by what homes hold; 0 for not at all
  counted_hash text NOT NULL,        -- hash of the operation counted_n; empty for none
  key text NOT NULL,                 -- public home key that signs the log
  is_own boolean NOT NULL,           -- this server writes on here
  is_provisional boolean NOT NULL,   -- the end came with a copy that was not compared with the other homes yet
  head_n bigint NOT NULL,            -- highest signed head of the line that is held; 0 for none
  head_hash text NOT NULL,           -- hash of that head
  head_signature text NOT NULL,      -- signature of that head
  PRIMARY KEY (user_id, log, line)
);

-- Operations. Those that an item keeps stay for good, the others for 90 days.
CREATE TABLE account_ops (
  user_id text NOT NULL,             -- account
  log text NOT NULL,                 -- as in account_logs
  n bigint NOT NULL,                 -- number in the log
  hash text NOT NULL,                -- SHA-256 of the signed text
  line integer NOT NULL,             -- as in account_logs
  seq bigint GENERATED ALWAYS AS IDENTITY, -- order in which this server took them: causes first
  prev text,                         -- hash of the operation before; null for the first
  after text NOT NULL,               -- JSON: places of other logs that the writer held
  home text NOT NULL,                -- server name of the writer
  ms bigint NOT NULL,                -- writer's milliseconds
  kind text NOT NULL,                -- what it is about (accounts/account-ops.ts)
  op_key text NOT NULL,              -- which of the kind
  value text NOT NULL,               -- JSON; null removes
  signature text NOT NULL,           -- by the home key
  stored_ts bigint NOT NULL,         -- milliseconds
  PRIMARY KEY (user_id, log, n, hash)
);
CREATE INDEX account_ops_age ON account_ops (stored_ts);

-- Per item the newest operation of each line that counts: what the item shows, what copies hold, what digests are made of.
CREATE TABLE account_op_items (
  user_id text NOT NULL,             -- account
  kind text NOT NULL,                -- as in account_ops
  op_key text NOT NULL,              -- as in account_ops
  log text NOT NULL,                 -- as in account_ops
  line integer NOT NULL,             -- as in account_ops
  n bigint NOT NULL,                 -- as in account_ops
  hash text NOT NULL,                -- as in account_ops
  ms bigint NOT NULL,                -- as in account_ops
  bucket smallint NOT NULL,          -- first byte of the hash of kind and key
  is_removed boolean NOT NULL,       -- the value is null
  PRIMARY KEY (user_id, kind, op_key, log, line)
);
CREATE INDEX account_op_items_bucket ON account_op_items (user_id, bucket);

-- What is known of the other homes of each account.
CREATE TABLE account_op_peers (
  user_id text NOT NULL,             -- account
  home text NOT NULL,                -- other home
  places text NOT NULL,              -- JSON: ends that it said it holds, by log
  is_behind boolean NOT NULL,        -- it lacks operations of this server
  compared_ts bigint NOT NULL,       -- milliseconds of the last comparison of everything; 0 for never
  unequal text NOT NULL,             -- JSON list of the kinds in which it was unequal after two rounds
  skew_ms bigint NOT NULL,           -- how far its clock is ahead; negative for behind
  refused text NOT NULL,             -- JSON list of [log, n, why]: what it took not
  PRIMARY KEY (user_id, home)
);

-- For which kinds every item of an account has an operation.
CREATE TABLE account_log_kinds (
  user_id text PRIMARY KEY,          -- account on this server; also locked while a log begins
  kinds text[] NOT NULL              -- kinds of operations
);

-- Earlier records of accounts, of those that named a home key which is revoked now: operations of others may have known its log.
CREATE TABLE account_former_records (
  user_id text NOT NULL,             -- account
  epoch bigint NOT NULL,             -- epoch of the record
  seq bigint NOT NULL,               -- seq of the record
  sha256 text NOT NULL,              -- hash of the record
  record text NOT NULL,              -- the record, canonical JSON
  PRIMARY KEY (user_id, epoch, seq, sha256)
);
COMMENT ON TABLE account_op_winners IS 'of version 1: times and writers of items that have no operation yet';
