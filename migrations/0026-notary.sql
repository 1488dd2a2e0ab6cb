-- Key objects of other servers that name a key which their newest one lacks: a notary does not forget it. The latest twenty per server.
CREATE TABLE server_key_past_responses (
  server_name text NOT NULL,         -- whose keys
  key_id text NOT NULL,              -- the key that the newest object lacks, e.g. ed25519:a1
  json text NOT NULL,                -- the last signed object that named it as in use
  fetched_ts bigint NOT NULL,        -- milliseconds
  PRIMARY KEY (server_name, key_id)
);
