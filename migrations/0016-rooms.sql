-- Only an event that is shown keeps others with its once-only key from being shown.
UPDATE events SET txn = NULL WHERE status <> 0 AND txn IS NOT NULL;

COMMENT ON COLUMN events.txn IS 'once-only key of the request that made it (protocol §6); NULL for an event that is not shown, and where one with the key is here already';

ALTER TABLE account_arrival_rooms ADD COLUMN seen text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN account_arrival_rooms.seen IS 'ids of events that a client of the account has seen, at most 20: what replicas are chosen by (protocol §3, "Moving in"). A row that only holds them has no via and counts as ready';
