-- What clients keep about an account: settings, tags, push rules, read markers.

CREATE TABLE account_data (
  user_id text NOT NULL,             -- account on this server
  room_id text NOT NULL,             -- room, or empty for the whole account
  type text NOT NULL,                -- event type
  json text NOT NULL,                -- content; of m.push_rules only what differs from the default rules
  pos bigint NOT NULL,               -- position in the `account` stream at which it changed last
  PRIMARY KEY (user_id, room_id, type)
);
CREATE INDEX account_data_stream ON account_data (user_id, pos);
