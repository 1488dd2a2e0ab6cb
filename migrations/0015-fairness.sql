-- Nobody pays for others (docs/protocol.md, "Fairness and limits").

-- Rooms that a client names are bounded by themselves, so that they keep out none that the account's homes name.
ALTER TABLE account_arrival_rooms ADD COLUMN is_named boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN account_arrival_rooms.is_named IS 'a client has named it, and no home of the account yet';

-- Each account's rooms are looked for by themselves.
DROP INDEX account_arrival_rooms_open;
CREATE INDEX account_arrival_rooms_open ON account_arrival_rooms (user_id, retry_at) WHERE NOT is_ready;
-- When a server comes back.
CREATE INDEX account_arrival_rooms_via ON account_arrival_rooms USING gin (via) WHERE NOT is_ready;
