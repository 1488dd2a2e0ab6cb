-- How this server knows that its database was restored from a backup (docs/protocol.md, "Restored from a backup").

-- Last position of each stream that is committed, written with what it stands for. `events` has it in rooms.last_pos and
-- local_memberships.pos instead, typing is not stored.
ALTER TABLE sequences ADD COLUMN used bigint NOT NULL DEFAULT 0; -- highest committed position

-- Histories of this database. A new one begins when it turns out that the database is older than what was done with it.
CREATE TABLE database_epochs (
  epoch_id text PRIMARY KEY,         -- 128 random bits, URL-safe Base64
  parent text,                       -- epoch that it goes on from; NULL for the first, and for those of which only a token is known
  cause text NOT NULL,               -- made: the first; command, database, witness, token or head: how the restore was known; lost: of a history that the restore ended
  began_ts bigint NOT NULL           -- milliseconds
);

-- Each start of the server. What a token says is judged by the run that made it.
CREATE TABLE database_runs (
  n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order
  run_id text NOT NULL UNIQUE,       -- 48 random bits, URL-safe Base64; in tokens. '--------': all tokens of before this table
  epoch_id text NOT NULL,            -- epoch in which it began
  started_ts bigint NOT NULL,        -- milliseconds
  starts text NOT NULL,              -- JSON: position of each stream at the start
  ends text,                         -- JSON: last position of each stream that the database has of it; NULL for the latest run
  identity text NOT NULL             -- which copy of the database it was (storage/database-identity.ts)
);

-- What is to be done after a restore, and for which one it was done last.
CREATE TABLE restore_tasks (
  task text PRIMARY KEY,             -- name, e.g. one-time-keys
  epoch_id text NOT NULL             -- done for the restore with which this epoch began
);
