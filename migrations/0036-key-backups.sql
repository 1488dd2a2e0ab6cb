-- Backups of the keys that decrypt messages, encrypted by clients.
CREATE TABLE key_backups (
  user_id text NOT NULL,             -- whose
  version text NOT NULL,             -- a number, and for accounts with homes something random behind it: two homes may make one at once
  number bigint NOT NULL,            -- the number: the highest that is not deleted is the current backup
  algorithm text NOT NULL,           -- as the client says
  auth_data text NOT NULL,           -- JSON object that depends on the algorithm
  is_deleted boolean NOT NULL DEFAULT false, -- numbers are not used again
  etag bigint NOT NULL DEFAULT 0,    -- rises with each change of the keys at this home
  keys integer NOT NULL DEFAULT 0,   -- keys in the backup
  bytes bigint NOT NULL DEFAULT 0,   -- of their session data
  PRIMARY KEY (user_id, version)
);

CREATE TABLE backed_up_keys (
  user_id text NOT NULL,             -- whose
  version text NOT NULL,             -- backup; at other homes its keys may arrive before it
  room_id text NOT NULL,             -- room of the session
  session_id text NOT NULL,          -- Megolm session
  is_verified boolean NOT NULL,      -- whether the device that the key is from was verified
  first_message_index bigint NOT NULL, -- first message that the key decrypts
  forwarded_count bigint NOT NULL,   -- how often the key was passed on
  session_data text,                 -- JSON object that depends on the algorithm; NULL after a deletion
  written_ts bigint NOT NULL,        -- milliseconds, of the last write or the deletion: orders deletions and writes of several homes
  PRIMARY KEY (user_id, version, room_id, session_id)
);
