-- Messages to devices that a device got at another home of its account and that are not here yet: dropped when they come.
CREATE TABLE to_device_seen (
  user_id text NOT NULL,             -- account on this server
  device_id text NOT NULL,           -- device
  id text NOT NULL,                  -- io.partyline.id of the message
  expires_ts bigint NOT NULL,        -- milliseconds; forgotten then
  PRIMARY KEY (user_id, device_id, id)
);
CREATE INDEX to_device_seen_age ON to_device_seen (expires_ts);
