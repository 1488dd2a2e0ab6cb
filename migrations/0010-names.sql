-- What is known of names: how a genesis was proven, which domains are silent or say two things, what records of strangers cost.

-- A record whose account has nothing to do with this server is forgotten before its pin is (protocol §2.6 of the promises).
ALTER TABLE account_records
  ALTER COLUMN record DROP NOT NULL,
  ADD COLUMN genesis_sha256 text,                        -- Base64: the genesis that the name is pinned to
  ADD COLUMN epoch bigint NOT NULL DEFAULT 0,            -- of the highest record seen
  ADD COLUMN seq bigint NOT NULL DEFAULT 0,              -- of the highest record seen
  ADD COLUMN is_kept boolean NOT NULL DEFAULT true,      -- the account lives here, shares a room, or is a contact; the others are a bounded cache
  ADD COLUMN is_provisional boolean NOT NULL DEFAULT false, -- the domain's endorsement is not final yet
  ADD COLUMN is_disputed boolean NOT NULL DEFAULT false; -- the domain has stood for a second genesis of the name
-- `record` is null when only the pin is left.
-- json keeps the text of its parts, and the record is canonical.
UPDATE account_records SET
  genesis_sha256 = rtrim(encode(sha256(convert_to((record::json -> 'genesis')::text, 'UTF8')), 'base64'), '='),
  epoch = (record::json ->> 'epoch')::bigint,
  seq = (record::json ->> 'seq')::bigint;
-- What was taken while a domain could not be asked is asked for again when it is needed.
DELETE FROM account_records r WHERE NOT r.is_endorsed AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = r.user_id);
ALTER TABLE account_records ALTER COLUMN genesis_sha256 SET NOT NULL;
CREATE INDEX account_records_strangers ON account_records (updated_ts) WHERE NOT is_kept;

-- Domains that do not answer when they are asked whether they stand for somebody.
CREATE TABLE silent_domains (
  server_name text PRIMARY KEY,      -- domain
  since_ts bigint NOT NULL,          -- milliseconds; first attempt in vain
  last_ts bigint NOT NULL            -- milliseconds; last attempt in vain, to a minute
);

-- Geneses that this server has endorsed for accounts of its domain, at the word of their owners.
CREATE TABLE account_foundings (
  user_id text PRIMARY KEY,          -- account of this domain
  genesis_sha256 text NOT NULL,      -- the genesis that stands
  supersedes text,                   -- the one in whose place it came
  is_final boolean NOT NULL,         -- made together with the account; else provisional, and final some time after
  founded_ts bigint NOT NULL         -- milliseconds
);

ALTER TABLE home_keys
  ADD COLUMN is_dropped boolean NOT NULL DEFAULT false; -- a record has named the key and a later one does not: a new one is made when the account comes back
-- Version 1 offered the key of before to accounts that came back.
UPDATE home_keys k SET is_dropped = true FROM account_records r WHERE r.user_id = k.user_id AND position(k.key_id in r.record) = 0;
