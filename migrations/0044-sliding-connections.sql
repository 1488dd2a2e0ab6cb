-- What the clients of sliding syncs have (MSC4186), as of a moment: a client that goes on from there is told what came after it.
CREATE TABLE sliding_connections (
  user_id text NOT NULL,             -- account
  device_id text NOT NULL,           -- device
  conn_id text NOT NULL,             -- name that the client gave the connection; may be empty
  connection_id text NOT NULL,       -- random, in the client's positions; a connection that is begun anew has another one
  number bigint NOT NULL,            -- number of the answer that the client had received
  state text NOT NULL,               -- JSON: positions of the streams, and per room up to where and what of it was told
  used_ts bigint NOT NULL,           -- milliseconds; when the client last received something
  PRIMARY KEY (user_id, device_id, conn_id),
  FOREIGN KEY (user_id, device_id) REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
CREATE INDEX sliding_connections_used ON sliding_connections (used_ts);
