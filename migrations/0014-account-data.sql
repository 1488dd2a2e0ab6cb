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
