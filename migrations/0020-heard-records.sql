-- Records of one account that were signed apart (protocol §2): a home that either has dropped is none.
ALTER TABLE account_records
  ADD COLUMN rivals text NOT NULL DEFAULT '[]', -- canonical JSON of other records of the epoch that the highest one was not made from, and that restrict its homes
  ADD COLUMN home_keys text NOT NULL DEFAULT '{}'; -- JSON: by home key the lowest seq of this epoch that named it, and whether a later record heard here does not

ALTER TABLE home_keys
  ADD COLUMN erased_epoch bigint; -- epoch of the record by which the account ended after it had dropped this server, and what it left here was erased

-- Rooms that could not be told of a record sixty times were given up before.
UPDATE record_room_tellings SET due_at = 0 WHERE due_at IS NULL AND attempts > 0;
