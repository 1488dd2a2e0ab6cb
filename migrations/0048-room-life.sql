ALTER TABLE events ADD COLUMN is_purged boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN events.is_purged IS 'its content was deleted when the room kept it no longer (m.room.retention): json is what a redaction leaves, and nothing shows it';

CREATE INDEX current_state_retention ON current_state (room_nid) WHERE type = 'm.room.retention';

-- Events of a room by the time that they bear: jumping to a date, and what is older than the room keeps its messages.
CREATE INDEX events_times ON events (room_nid, origin_server_ts, pos) WHERE pos IS NOT NULL AND NOT is_purged;

-- Media that nobody is given any more, because an administrator said so.
CREATE TABLE quarantined_media (
  key text PRIMARY KEY,              -- `serverName/mediaId`, or the SHA-256 of a file
  quarantined_by text NOT NULL,      -- user id of the administrator
  quarantined_ts bigint NOT NULL     -- milliseconds since the Unix epoch
);
