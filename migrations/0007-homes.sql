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
