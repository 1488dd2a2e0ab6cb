-- What people have reported to this server's administrators. A report is of one server: its operator is who can act.
CREATE TABLE reports (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- number of the report
  kind text NOT NULL,                -- event, room or user
  reporter text NOT NULL,            -- who reports: an account here
  room_id text,                      -- the room, or that of the event
  event_id text,                     -- the event
  about text,                        -- the user, or the sender of the event
  reason text,                       -- in the words of the reporter
  score integer,                     -- -100 (most offensive) to 0, from clients of older versions
  received_ts bigint NOT NULL        -- milliseconds
);
CREATE INDEX reports_of_reporter ON reports (reporter, id);
