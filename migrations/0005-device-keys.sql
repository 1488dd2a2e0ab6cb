-- End-to-end encryption: keys of devices and accounts, device lists of other servers' users, messages to devices.

-- Identity keys of the devices of accounts on this server.
CREATE TABLE device_keys (
  user_id text NOT NULL,             -- account
  device_id text NOT NULL,           -- device
  json text NOT NULL,                -- the signed key object as uploaded, without unsigned
  PRIMARY KEY (user_id, device_id)
);

-- Each is handed out once, oldest first. Never replicated between homes.
CREATE TABLE one_time_keys (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order of uploads
  user_id text NOT NULL,             -- account on this server
  device_id text NOT NULL,           -- device
  algorithm text NOT NULL,           -- e.g. signed_curve25519
  key_id text NOT NULL,              -- the part of the name after the algorithm
  json text NOT NULL,                -- the key as uploaded, canonical JSON
  claimed_ts bigint,                 -- milliseconds; a claimed key is remembered for a while, because a repeated upload must not bring it back
  UNIQUE (user_id, device_id, algorithm, key_id)
);
CREATE INDEX one_time_keys_unclaimed ON one_time_keys (user_id, device_id, algorithm, id) WHERE claimed_ts IS NULL;

-- Handed out again and again while a device has no one-time keys.
CREATE TABLE fallback_keys (
  user_id text NOT NULL,             -- account on this server
  device_id text NOT NULL,           -- device
  algorithm text NOT NULL,           -- e.g. signed_curve25519
  key_id text NOT NULL,              -- the part of the name after the algorithm
  json text NOT NULL,                -- the key as uploaded
  is_used boolean NOT NULL DEFAULT false, -- handed out by this server since it was uploaded
  PRIMARY KEY (user_id, device_id, algorithm)
);

-- Cross-signing keys: of accounts on this server, and of users of other servers as their servers told.
CREATE TABLE cross_signing_keys (
  user_id text NOT NULL,             -- whose
  usage text NOT NULL,               -- master, self_signing or user_signing (the last of accounts on this server only)
  public_key text NOT NULL,          -- unpadded Base64; also the id by which signatures name the key
  json text NOT NULL,                -- the key object
  PRIMARY KEY (user_id, usage)
);

-- Signatures that accounts on this server have uploaded.
CREATE TABLE key_signatures (
  signer_id text NOT NULL,           -- account on this server
  signer_key text NOT NULL,          -- key id of the signature, e.g. ed25519:DEVICE
  target_user_id text NOT NULL,      -- whose key is signed
  target_key text NOT NULL,          -- device id, or public key of a master key
  signature text NOT NULL,           -- unpadded Base64
  PRIMARY KEY (target_user_id, signer_id, target_key, signer_key)
);

-- When the devices or keys of a user changed last.
CREATE TABLE device_list_changes (
  user_id text NOT NULL,             -- whose
  audience text NOT NULL,            -- the one account that sees the change (its signature of another's key), or empty: all who share a room
  pos bigint NOT NULL,               -- position in the `device_lists` stream
  PRIMARY KEY (user_id, audience)
);
CREATE INDEX device_list_changes_stream ON device_list_changes (pos);

-- Number of the last m.device_list_update about an account on this server: the next one names it as its predecessor.
CREATE TABLE device_list_streams (
  user_id text PRIMARY KEY,          -- account
  stream_id bigint NOT NULL          -- position in the `device_lists` stream
);

-- Device lists of users of other servers, kept while they share a room with an account here.
CREATE TABLE remote_device_lists (
  user_id text PRIMARY KEY,          -- user of another server
  origin text NOT NULL,              -- server that told; stream ids of two homes do not compare
  stream_id bigint,                  -- last update that is in the list; NULL when it came from /user/keys/query, which does not say
  is_stale boolean NOT NULL          -- an update was missed: to be fetched again before use
);

CREATE TABLE remote_devices (
  user_id text NOT NULL,             -- user of another server
  device_id text NOT NULL,           -- device
  json text,                         -- its key object without unsigned; NULL for a device without keys
  display_name text,                 -- as its server tells
  PRIMARY KEY (user_id, device_id)
);

-- Messages that wait for a device.
CREATE TABLE to_device_inbox (
  pos bigint PRIMARY KEY,            -- position in the `to_device` stream
  user_id text NOT NULL,             -- account on this server
  device_id text NOT NULL,           -- device
  sender text NOT NULL,              -- user id
  message_id text NOT NULL,          -- chosen by the sender's server; the same at all homes of the recipient
  json text NOT NULL                 -- the event as the client gets it: content, sender, type
);
CREATE INDEX to_device_inbox_device ON to_device_inbox (user_id, device_id, pos);
CREATE UNIQUE INDEX to_device_inbox_message ON to_device_inbox (user_id, device_id, sender, message_id);

-- Messages that a device has received: a copy that arrives late (a repeated request, another home) is dropped.
CREATE TABLE to_device_consumed (
  user_id text NOT NULL,             -- account on this server
  device_id text NOT NULL,           -- device
  sender text NOT NULL,              -- user id
  message_id text NOT NULL,          -- as in to_device_inbox
  expires_ts bigint NOT NULL,        -- milliseconds; forgotten then
  PRIMARY KEY (user_id, device_id, sender, message_id)
);
CREATE INDEX to_device_consumed_age ON to_device_consumed (expires_ts);
