-- Who is still to be told of an account's home record, so that it happens whoever stops in between (protocol §2, "Telling and
-- asking"). The rows are written in the transaction that stores the record.

-- A server that has not answered to the account's highest record.
CREATE TABLE record_tellings (
  user_id text NOT NULL,             -- account
  destination text NOT NULL,         -- server to be told
  sha256 text NOT NULL,              -- hash of the record; what is sent is the highest one at that time
  entry text,                        -- JSON of the server's entry among the homes, whose consent is looked at; NULL for a server that asked
  attempts integer NOT NULL DEFAULT 0, -- failures so far
  retry_at bigint NOT NULL DEFAULT 0, -- milliseconds; not tried again before
  PRIMARY KEY (user_id, destination)
);
CREATE INDEX record_tellings_due ON record_tellings (retry_at);
CREATE INDEX record_tellings_destination ON record_tellings (destination);

-- Accounts here whose portable rooms are told of their records by member events.
CREATE TABLE record_room_tellings (
  user_id text PRIMARY KEY,          -- account on this server
  due_at bigint,                     -- milliseconds; when its rooms are looked at, NULL when all show the highest record
  is_urgent boolean NOT NULL DEFAULT false, -- the record takes something away, so nothing is waited for
  paid_until bigint NOT NULL DEFAULT 0, -- milliseconds; each telling moves it a minute on, and additions wait while it is too far ahead
  attempts integer NOT NULL DEFAULT 0 -- failures so far
);
CREATE INDEX record_room_tellings_due ON record_room_tellings (due_at) WHERE due_at IS NOT NULL;

-- Servers that asked for the keys or the record of an account here, and so go by that record without sharing a room.
CREATE TABLE record_askers (
  user_id text NOT NULL,             -- account on this server
  destination text NOT NULL,         -- server that asked
  asked_ts bigint NOT NULL,          -- milliseconds, to the day; forgotten a month after
  PRIMARY KEY (user_id, destination)
);
CREATE INDEX record_askers_age ON record_askers (asked_ts);

-- When the records of accounts of other servers were last asked after, before they were used.
CREATE TABLE record_checks (
  user_id text PRIMARY KEY,          -- account that does not live here
  sha256 text NOT NULL,              -- hash of the record
  checked_ts bigint NOT NULL,        -- milliseconds
  is_confirmed boolean NOT NULL,     -- others than a single home of it have answered, now or before
  discounted text NOT NULL DEFAULT '[]' -- JSON list of servers whose word does not confirm it: who brought it, and homes that it or the one before dropped
);

-- What the end of an account still has to do, so that it is done over a crash too (protocol §2, "Deactivation").
ALTER TABLE accounts ADD COLUMN is_erased boolean NOT NULL DEFAULT false; -- deactivated, and the person wants what he wrote to be hidden
ALTER TABLE accounts ADD COLUMN is_ending boolean NOT NULL DEFAULT false; -- deactivated, and its rooms and data have not all been dealt with
ALTER TABLE accounts ADD COLUMN ended_epoch bigint; -- epoch of the account's record when it was deactivated; only a higher one brings it back
