-- Pictures and files. What an address names, and the files themselves, which are stored once whatever the number of their addresses.
CREATE TABLE media_files (
  sha256 text PRIMARY KEY,           -- of the bytes, URL-safe Base64; where the file is follows from it
  bytes bigint NOT NULL,             -- its length
  sniffed_type text,                 -- media type that its first bytes show; null where they show none
  read_ts bigint NOT NULL            -- milliseconds: when it was last stored or read, to the day
);

CREATE TABLE media (
  server_name text NOT NULL,         -- mxc://server_name/media_id
  media_id text NOT NULL,            -- the second part of the address
  user_id text,                      -- account with a home here that uploaded it; null for media of others
  sha256 text,                       -- of the bytes; null while nothing was uploaded to an address that was reserved
  bytes bigint,                      -- length; null as before
  content_type text NOT NULL,        -- as whoever uploaded it says
  filename text,                     -- the same; null where nobody said
  created_ts bigint NOT NULL,        -- milliseconds: when it was uploaded, reserved, or first read from its server
  expires_ts bigint,                 -- milliseconds: when an unused address ends; null once it is used
  PRIMARY KEY (server_name, media_id)
);
-- What an account has uploaded, for its quota and for its other homes.
CREATE INDEX media_user ON media (user_id, created_ts) WHERE user_id IS NOT NULL;
-- What names a file.
CREATE INDEX media_sha256 ON media (sha256);
-- Unused addresses.
CREATE INDEX media_expiring ON media (expires_ts) WHERE expires_ts IS NOT NULL;

-- What an account has uploaded at another home and is not here yet.
ALTER TABLE media ADD COLUMN fetch_at bigint;
COMMENT ON COLUMN media.fetch_at IS 'milliseconds: when to fetch the file from the account''s other homes; null where that is not to be done, or is done';
ALTER TABLE media ADD COLUMN attempts integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN media.attempts IS 'how often that has failed';
CREATE INDEX media_fetching ON media (user_id, fetch_at) WHERE fetch_at IS NOT NULL;
-- The files that were not read for longest.
CREATE INDEX media_files_read ON media_files (read_ts);
