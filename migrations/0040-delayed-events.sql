-- Events that clients want to be sent later (MSC4140), and for a week what became of them.
CREATE TABLE delayed_events (
  delay_id text PRIMARY KEY,         -- a secret: whoever knows it may send, restart or cancel
  user_id text NOT NULL,             -- who sends it
  device_id text,                    -- the device that asked for it; null for application services
  txn text,                          -- hash of the request's device and transaction id; null for state events, whose requests have none
  room_id text NOT NULL,             -- where to
  type text NOT NULL,                -- type of the event
  state_key text,                    -- its state key; null for a message event
  content text NOT NULL,             -- its content, JSON
  delay_ms bigint NOT NULL,          -- how long it waits, milliseconds
  running_since bigint NOT NULL,     -- when it began to wait, or began anew; milliseconds since the epoch
  send_at bigint NOT NULL,           -- running_since + delay_ms
  outcome text,                      -- null while it waits; send, cancel or error
  reason text,                       -- action, where a request decided it; delay, where its time had come
  error text,                        -- the error because of which it was not sent, JSON
  event_id text,                     -- the event that was sent
  finalised_ts bigint                -- when it was decided; milliseconds since the epoch
);
CREATE INDEX delayed_events_due ON delayed_events (send_at) WHERE outcome IS NULL;
CREATE INDEX delayed_events_user ON delayed_events (user_id, send_at);
CREATE INDEX delayed_events_done ON delayed_events (finalised_ts) WHERE outcome IS NOT NULL;
CREATE UNIQUE INDEX delayed_events_txn ON delayed_events (user_id, txn);
