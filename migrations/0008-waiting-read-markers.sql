-- Read markers that an account set at another of its homes in rooms that are still on their way to this one.
CREATE TABLE waiting_read_markers (
  user_id text NOT NULL,             -- account
  room_id text NOT NULL,             -- room, not here yet
  type text NOT NULL,                -- m.read or m.read.private
  thread_id text NOT NULL,           -- thread root, main, or empty
  event_id text NOT NULL,            -- event up to which is read
  ts bigint NOT NULL,                -- milliseconds; of two the later one is kept
  PRIMARY KEY (user_id, room_id, type, thread_id)
);
