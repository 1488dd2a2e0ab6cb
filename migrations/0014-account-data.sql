-- Messages to devices that a device got at another home of its account and that are not here yet: dropped when they come.
CREATE TABLE to_device_seen (
  user_id text NOT NULL,             -- account on this server
  device_id text NOT NULL,           -- device
  id text NOT NULL,                  -- io.partyline.id of the message
  expires_ts bigint NOT NULL,        -- milliseconds; forgotten then
  PRIMARY KEY (user_id, device_id, id)
);
CREATE INDEX to_device_seen_age ON to_device_seen (expires_ts);

-- Invitations and knocks of accounts here that have ended: one that comes late, from its sender or another home, is not shown again.
CREATE TABLE ended_invitations (
  user_id text NOT NULL,             -- account on this server
  event_id text NOT NULL,            -- the invitation, or the knock
  ended_ts bigint NOT NULL,          -- milliseconds; forgotten after 90 days
  PRIMARY KEY (user_id, event_id)
);
CREATE INDEX ended_invitations_age ON ended_invitations (ended_ts);

-- Devices that were removed. Their ids cannot log in with the account key again; a login with the password takes one back into use.
CREATE TABLE removed_devices (
  user_id text NOT NULL,             -- account on this server
  device_id text NOT NULL,           -- device, no longer in `devices`
  removed_ts bigint NOT NULL,        -- milliseconds, when this server learned of it; kept for 90 days, and until all homes know
  PRIMARY KEY (user_id, device_id)
);
CREATE INDEX removed_devices_age ON removed_devices (removed_ts);

-- What accounts have read in rooms, by thread: a set of events, with all that they lead to (protocol §4, "Read"). Of accounts with a
-- log only; those of others follow from `receipts`. What the set means for the timeline here stands beside it.
CREATE TABLE read_sets (
  user_id text NOT NULL,             -- account on this server
  room_id text NOT NULL,             -- room, which need not be here yet
  thread_id text NOT NULL,           -- thread root, main, or empty for the whole room
  event_ids text[] NOT NULL,         -- the set, less what others of it lead to; the newest last
  here_pos bigint,                   -- up to this position of the timeline here everything was read here
  floor_pos bigint,                  -- up to this position everything is read; null: nothing is known
  above bigint[] NOT NULL DEFAULT '{}', -- positions above floor_pos that are read
  is_open boolean NOT NULL,          -- floor_pos and above may have to be found again: the set has changed, or leads to events that are not here
  is_partial boolean NOT NULL DEFAULT false, -- events that are not here keep counts from being exact
  PRIMARY KEY (user_id, room_id, thread_id)
);
