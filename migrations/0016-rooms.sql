-- Only an event that is shown keeps others with its once-only key from being shown.
UPDATE events SET txn = NULL WHERE status <> 0 AND txn IS NOT NULL;

COMMENT ON COLUMN events.txn IS 'once-only key of the request that made it (protocol §6); NULL for an event that is not shown, and where one with the key is here already';

ALTER TABLE account_arrival_rooms ADD COLUMN seen text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN account_arrival_rooms.seen IS 'ids of events that a client of the account has seen, at most 20: what replicas are chosen by (protocol §3, "Moving in"). A row that only holds them has no via and counts as ready';

ALTER TABLE account_arrival_rooms ADD COLUMN entered_by text;
COMMENT ON COLUMN account_arrival_rooms.entered_by IS 'id of the event by which this server entered the room, whose state before is compared with that of other replicas; NULL before';
ALTER TABLE account_arrival_rooms ADD COLUMN unconfirmed text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN account_arrival_rooms.unconfirmed IS 'replicas, at most 50, that have not said yet which state they have before it';
ALTER TABLE account_arrival_rooms ADD COLUMN apart text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN account_arrival_rooms.apart IS 'replicas that have another state before it';
