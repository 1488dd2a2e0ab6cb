-- Accounts, their devices, access tokens, profiles, and the tokens that let people register.

CREATE TABLE accounts (
  user_id text PRIMARY KEY,                    -- Matrix user id; of another server's domain where this server is a further home
  password_hash text,                          -- argon2id in PHC format; NULL where nobody can log in with a password
  is_guest boolean NOT NULL DEFAULT false,     -- registered with kind=guest
  is_admin boolean NOT NULL DEFAULT false,     -- may use the administration API
  is_suspended boolean NOT NULL DEFAULT false, -- may read and leave only
  is_locked boolean NOT NULL DEFAULT false,    -- may log out only
  appservice_id text,                          -- application service that made the account
  created_ts bigint NOT NULL,                  -- milliseconds
  deactivated_ts bigint                        -- milliseconds; the name stays taken
);

CREATE TABLE devices (
  user_id text NOT NULL,             -- account
  device_id text NOT NULL,           -- device
  display_name text,                 -- name that its owner and, over federation, others see
  created_ts bigint NOT NULL,        -- milliseconds
  last_seen_ts bigint,               -- milliseconds; written rarely
  last_seen_ip text,                 -- address of the last request
  last_seen_ua text,                 -- User-Agent of the last request
  PRIMARY KEY (user_id, device_id)
);

CREATE TABLE access_tokens (
  token_hash text PRIMARY KEY,       -- base64url of the token's SHA-256; the token itself is never stored
  user_id text NOT NULL,             -- account
  device_id text,                    -- device; NULL for sessions without one
  created_ts bigint NOT NULL,        -- milliseconds
  expires_ts bigint,                 -- milliseconds; NULL for never
  supersedes text                    -- hash of the refresh token that bought this one, which dies when this one is first used
);
CREATE INDEX access_tokens_device ON access_tokens (user_id, device_id);

CREATE TABLE refresh_tokens (
  token_hash text PRIMARY KEY,       -- base64url of the token's SHA-256
  user_id text NOT NULL,             -- account
  device_id text NOT NULL,           -- device
  access_hash text NOT NULL,         -- access token that came with it
  supersedes text                    -- hash of the refresh token that bought this one, which dies when this one is first used
);
CREATE INDEX refresh_tokens_device ON refresh_tokens (user_id, device_id);

CREATE TABLE profiles (
  user_id text NOT NULL,             -- account on this server
  key text NOT NULL,                 -- displayname, avatar_url, m.tz or a custom field
  value text NOT NULL,               -- JSON
  PRIMARY KEY (user_id, key)
);

CREATE TABLE registration_tokens (
  token text PRIMARY KEY,            -- what people type in; readable to administrators, so not hashed
  uses_allowed integer,              -- NULL for any number
  used integer NOT NULL DEFAULT 0,   -- registrations so far
  expires_ts bigint,                 -- milliseconds; NULL for never
  created_ts bigint NOT NULL         -- milliseconds
);
