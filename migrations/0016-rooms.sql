-- Only an event that is shown keeps others with its once-only key from being shown.
UPDATE events SET txn = NULL WHERE status <> 0 AND txn IS NOT NULL;

COMMENT ON COLUMN events.txn IS 'once-only key of the request that made it (protocol §6); NULL for an event that is not shown, and where one with the key is here already';
