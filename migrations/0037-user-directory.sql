-- The people whom this server has seen in rooms, to be found by name. Who finds whom is decided by the rooms that they share.
CREATE TABLE directory_users (
  user_id text PRIMARY KEY,          -- who
  display_name text,                 -- last name seen
  avatar_url text,                   -- last picture seen
  search text NOT NULL               -- localpart, user id and name in lower case
);
DO $$ BEGIN
  -- A database without the extension searches more slowly.
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX directory_users_search ON directory_users USING gin (search gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE 'pg_trgm is not to be had: %', SQLERRM;
END $$;

-- How far the directory has followed the rooms; one row.
CREATE TABLE directory_progress (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1), -- so that there is one row
  pos bigint NOT NULL                -- position in the `events` stream
);
INSERT INTO directory_progress (pos) VALUES (0);
